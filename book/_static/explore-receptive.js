/* Chapter 10: the square of the image that one output of each layer sees, and how it grows. */
explore.define("receptive", ({ drawing, state, set, panel }) => {
  const { svg, points } = explore;
  // 290 units for the image in both directions
  const image = panel(drawing.across.label, 340, 346), growth = panel(drawing.field.label, 340, 346);
  let value = () => 0;
  image.drag(x => {
    const places = drawing.squares[0][0].length;
    set("place", Math.round(value(x) / drawing.size * (places - 1)));
  });
  return () => {
    image.clear();
    const frame = image.axes(drawing.across, drawing.down, { left: 42, edge: 8 });
    value = frame.value;
    const length = pixels => frame.across(pixels) - frame.across(0);
    image.add(svg("rect", { class: "image", x: frame.across(0), y: frame.up(0), width: length(drawing.size),
      height: length(drawing.size) }));
    const squares = drawing.squares[state.chain][state.layer][state.place];
    [...squares].reverse().forEach(([first, side], k) => image.add(svg("rect", { class: k ? "field" : "field last",
      x: frame.across(first), y: frame.up(first), width: length(side), height: length(side) })));
    growth.clear();
    const { across, up } = growth.axes(drawing.layer, drawing.field, { left: 42 });
    const others = drawing.fields.map((_, chain) => chain).filter(chain => chain !== state.chain);
    [...others, state.chain].forEach(chain => {
      const fields = drawing.fields[chain], on = chain === state.chain;
      growth.add(svg("polyline", { class: on ? "curve" : "chance", points: points(fields.map((f, k) => [across(k + 1), up(f)])) }));
      fields.forEach((field, k) => growth.add(svg("circle", { class: on ? (k === state.layer ? "output point" : "train") : "idle",
        cx: across(k + 1), cy: up(field), r: on && k === state.layer ? 7 : 4 })));
    });
  };
});
