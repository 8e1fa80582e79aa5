/* Chapter 3: degrees, the open connections that follow from them, and which output sees which input. */
explore.define("masks", ({ drawing, state, set, panel }) => {
  const { svg, words, points } = explore;
  const network = panel(drawing.network, 340, 268), matrix = panel(drawing.matrix);
  const level = [236, 168, 102, 34], count = drawing.masks[0][0][0].length, side = 228 / count;
  const spread = (nodes, k) => (340 / nodes) * (k + .5);
  return () => {
    const net = state.degrees, masks = drawing.masks[net], used = drawing.used[net][state.output];
    const numbers = drawing.numbers[net];
    const edges = { edge: [], "edge idle": [] };
    masks.forEach((mask, row) => mask.forEach((opened, above) => opened.forEach((open, below) => {
      const kind = used[row][below] && used[row + 1][above] ? "edge" : "edge idle";
      if (open) edges[kind].push(svg("line", { class: kind, x1: spread(opened.length, below), y1: level[row],
        x2: spread(mask.length, above), y2: level[row + 1] }));
    })));
    network.clear();
    network.add(...edges["edge idle"], ...edges.edge);
    used.forEach((layer, row) => {
      layer.forEach((on, k) => {
        const last = row === used.length - 1, x = spread(layer.length, k);
        const node = svg("g", { class: last ? "pick" : "" },
          svg("circle", { class: `node ${on ? (last ? "output" : "unit") : "open"}`, cx: x, cy: level[row], r: 12 }),
          svg("text", { class: on ? "inside" : "", x, y: level[row] + 4, "text-anchor": "middle" }, numbers[row][k]));
        if (last) node.addEventListener("pointerdown", () => set("output", k));
        network.add(node);
      });
      network.add(words(170, level[row] + (row === used.length - 1 ? -20 : 26), drawing.layers[row]));
    });
    matrix.clear();
    const place = k => 70 + side * k;
    drawing.used[net].forEach((layers, row) => layers[0].forEach((on, column) => matrix.add(svg("rect", {
      class: on ? (row === state.output ? "output" : "seen") : "unseen",
      x: place(column) + .5, y: 8 + side * row + .5, width: side - 1, height: side - 1 }))));
    matrix.add(svg("rect", { class: "frame", x: 69, y: 7 + side * state.output, width: 230, height: side + 2 }));
    [0, count - 1].forEach(k => matrix.add(
      svg("text", { x: 64, y: 12 + side * (k + .5), "text-anchor": "end" }, numbers[0][k]),
      svg("text", { x: place(k) + side / 2, y: 252, "text-anchor": "middle" }, numbers[0][k])));
    matrix.add(words(184, 253, drawing.layers[0]),
      words(0, 0, drawing.layers[3], "middle", { transform: "translate(40 122) rotate(-90)" }));
  };
});
