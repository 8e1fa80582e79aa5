/* Chapter 4: the stages of the inverse, in the network and against the passes of the simple way. */
explore.define("inverse", ({ drawing, state, panel }) => {
  const { svg, words, points } = explore;
  const network = panel(drawing.network, 340, 276), race = panel(drawing.known.label);
  const spread = (count, k) => 14 + (312 / count) * (k + .5);
  const level = [246, 178, 112, 38];
  return () => {
    const { known, units, outputs } = drawing.stages[state.stage], { features, degrees } = drawing;
    const rows = [features, degrees[0].length, degrees[1].length, features];
    const now = [[0, 0], ...units, outputs];
    const done = row => row === 0 ? known : now[row][0];
    network.clear();
    // What is computed now hangs on all of the row below that its degree allows, and that is known by now.
    for (let row = 1; row < 4; row++)
      for (let above = now[row][0]; above < now[row][1]; above++)
        for (let below = 0; below < Math.max(done(row - 1), now[row - 1][1]); below++)
          network.add(svg("line", { class: row === 3 ? "edge output" : "edge", x1: spread(rows[row - 1], below),
            y1: level[row - 1], x2: spread(rows[row], above), y2: level[row] }));
    rows.forEach((count, row) => {
      const inner = row === 1 || row === 2;
      for (let k = 0; k < count; k++) {
        const kind = k >= now[row][0] && k < now[row][1] ? (inner ? "unit" : "output") : k < done(row) ? "done" : "open";
        const x = spread(count, k);
        network.add(svg("circle", { class: `node ${kind}`, cx: x, cy: level[row], r: inner ? 11 : 5 }));
        if (inner) network.add(svg("text",
          { class: "inside", x, y: level[row] + 4, "text-anchor": "middle" }, drawing.numbers[degrees[row - 1][k]]));
      }
      network.add(words(170, level[row] + (row === 3 ? -14 : 24), drawing.rows[row]));
    });
    race.clear();
    const { across, up } = race.axes(drawing.steps, drawing.known), step = state.stage + 1;
    const staged = [[0, 0], ...drawing.stages.map((stage, k) => [k + 1, stage.outputs[1]])];
    const at = ([x, y]) => [across(x), up(y)];
    race.add(
      svg("polyline", { class: "chance", points: points([at([0, 0]), at([features, features])]) }),
      svg("polyline", { class: "curve", points: points(staged.map(at)) }),
      svg("circle", { class: "output point", cx: across(step), cy: up(outputs[1]), r: 7 }),
      svg("circle", { class: "waiting point", cx: across(step), cy: up(step), r: 5 }),
      words(across(staged.length - 1) + 6, up(features) + 22, drawing.staged, "right"),
      words(across(features), up(.5 * features), drawing.simple, "left"));
  };
});
