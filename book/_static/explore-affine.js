/* Chapter 1: a density and a piece of it, before and after x = a z + b. */
explore.define("affine", ({ drawing, state, panel }) => {
  const { svg, words, points } = explore;
  const before = panel(drawing.before), after = panel(drawing.after);
  const plot = (surface, title, axis, curve, piece) => {
    surface.clear();
    const { across, up } = surface.axes(axis, drawing.density, { top: 26 });
    const area = part => {
      const seen = part.filter(([x]) => x >= axis.low && x <= axis.high);
      if (!seen.length) return "";
      return points([[seen[0][0], 0], ...seen, [seen.at(-1)[0], 0]].map(([x, y]) => [across(x), up(y)]));
    };
    surface.add(
      svg("polygon", { class: "whole", points: area(curve) }),
      svg("polygon", { class: "piece", points: area(piece) }),
      svg("polyline", { class: "curve", points: area(curve) }),
      words(surface.width / 2 + 20, 16, title));
  };
  return () => {
    const curve = drawing.curves[state.base], piece = drawing.pieces[state.base];
    const slope = drawing.slopes[state.slope], shift = drawing.shifts[state.shift];
    const moved = part => part.map(([z, p]) => [slope * z + shift, p * drawing.scales[state.base][state.slope]]);
    plot(before, drawing.before, drawing.z, curve, piece);
    plot(after, drawing.after, drawing.x, moved(curve), moved(piece));
  };
});
