/* Chapter 6: a threshold on the scores, and the point of the ROC curve that belongs to it. */
explore.define("threshold", ({ drawing, state, set, panel }) => {
  const { svg, words, points } = explore;
  const scores = panel(drawing.score.label), curve = panel("ROC");
  let value = () => 0;
  scores.drag(x => {
    const wanted = value(x), distance = t => Math.abs(t - wanted);
    const nearest = drawing.thresholds.reduce((best, t, k) => distance(t) < distance(drawing.thresholds[best]) ? k : best, 0);
    set("threshold", nearest);
  });
  return () => {
    const threshold = drawing.thresholds[state.threshold];
    scores.clear();
    const { across, up, value: back } = scores.axes(drawing.score, drawing.height);
    value = back;
    const bars = part => drawing.groups.map(group => svg("g", { class: `${group.role} bars ${part}` },
      ...group.heights.flatMap((height, k) => {
        const [low, high] = [drawing.edges[k], drawing.edges[k + 1]];
        const from = part === "alarm" ? Math.max(low, threshold) : low, to = part === "alarm" ? high : Math.min(high, threshold);
        return height && to > from ? [svg("rect",
          { x: across(from), y: up(height), width: across(to) - across(from), height: up(0) - up(height) })] : [];
      })));
    scores.add(...bars("quiet"), ...bars("alarm"),
      svg("line", { class: "mark", x1: across(threshold), x2: across(threshold), y1: up(0), y2: 4 }));
    drawing.groups.forEach((group, k) => scores.add(
      svg("rect", { class: group.role, x: 312, y: 14 + 20 * k, width: 14, height: 11 }),
      words(306, 24 + 20 * k, group.label, "left")));
    curve.clear();
    const roc = curve.axes(drawing.fpr, drawing.tpr), at = ([x, y]) => [roc.across(x), roc.up(y)];
    const [x, y] = at(drawing.points[state.threshold]);
    curve.add(
      svg("polyline", { class: "chance", points: points([at([0, 0]), at([1, 1])]) }),
      svg("polyline", { class: "curve", points: points(drawing.roc.map(at)) }),
      svg("polyline", { class: "guide", points: points([[roc.across(0), y], [x, y], [x, roc.up(0)]]) }),
      svg("circle", { class: "anomalous point", cx: x, cy: y, r: 7 }));
  };
});
