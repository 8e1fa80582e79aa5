/* Figures that a reader can move (hw2lib/figures/explore.py). The notebook's cell has worked out every number and
   the build has written it in the edition's digits; here they are looked up and drawn. explore-NAME.js draws NAME.
   Without this script, and on paper, the still picture shows. */
(() => {
  const drawings = {}, right = document.documentElement.dir === "rtl";

  /* An element of SVG with attributes and children; text that is no number runs in the page's direction. */
  const svg = (tag, attributes = {}, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const html = (tag, attributes = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };
  /* Words at a place; side: where they lie from there, left, middle or right. */
  const words = (x, y, text, side = "middle", more = {}) => {
    const anchor = side === "middle" ? side : (side === "right") !== right ? "start" : "end";
    return svg("text", { x, y, "text-anchor": anchor, direction: right ? "rtl" : "ltr", ...more }, text);
  };
  const points = list => list.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

  /* One drawing surface of a widget; a phone shows them below each other. */
  class Panel {
    constructor(holder, label, width = 340, height = 260) {
      this.width = width;
      this.height = height;
      this.svg = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, direction: "ltr" });
      holder.append(this.svg);
    }
    clear() { this.svg.replaceChildren(); }
    add(...children) { this.svg.append(...children); }
    /* Axes as explore.axis gives them; returns what places a value on each. */
    axes(x, y, { left = 54, bottom = 46, top = 10, edge = 12 } = {}) {
      const place = (axis, from, to) => value => from + (value - axis.low) / (axis.high - axis.low) * (to - from);
      const [x0, x1, y0, y1] = [left, this.width - edge, this.height - bottom, top];
      const across = place(x, x0, x1), up = place(y, y0, y1);
      x.at.forEach((value, k) => this.add(
        svg("line", { class: "grid", x1: across(value), x2: across(value), y1: y0, y2: y1 }),
        svg("text", { x: across(value), y: y0 + 17, "text-anchor": "middle" }, x.ticks[k])));
      y.at.forEach((value, k) => this.add(
        svg("line", { class: "grid", x1: x0, x2: x1, y1: up(value), y2: up(value) }),
        svg("text", { x: x0 - 6, y: up(value) + 4, "text-anchor": "end" }, y.ticks[k])));
      this.add(
        svg("polyline", { class: "axis", points: points([[x0, y1], [x0, y0], [x1, y0]]) }),
        words((x0 + x1) / 2, this.height - 8, x.label),
        words(0, 0, y.label, "middle", { transform: `translate(13 ${(y0 + y1) / 2}) rotate(-90)` }));
      return { across, up, value: at => x.low + (at - x0) / (x1 - x0) * (x.high - x.low) };
    }
    /* Call back with the place that a pointer touches or is dragged to; the slider says the same to the keyboard. */
    drag(moved) {
      const at = event => {
        const box = this.svg.getBoundingClientRect();
        moved((event.clientX - box.left) / box.width * this.width, (event.clientY - box.top) / box.height * this.height);
      };
      this.svg.classList.add("draggable");
      this.svg.addEventListener("pointerdown", event => { this.svg.setPointerCapture(event.pointerId); at(event); });
      this.svg.addEventListener("pointermove", event => { if (this.svg.hasPointerCapture(event.pointerId)) at(event); });
    }
  }

  const slider = (control, id) => {
    const input = html("input", { type: "range", min: 0, max: control.values.length - 1, step: 1, id, dir: "ltr" });
    const output = html("output", { htmlFor: id });
    output.setAttribute("aria-hidden", "true");  // the slider says it
    const say = index => {
      output.textContent = control.values[index];
      input.setAttribute("aria-valuetext", control.values[index]);
    };
    return { input, say, parts: [input, output] };
  };
  const choice = (control, id) => {
    const input = html("select", { id }, ...control.values.map((text, k) => new Option(text, k)));
    return { input, say: () => {}, parts: [input] };
  };

  const start = (holder, number) => {
    const payload = JSON.parse(holder.querySelector("script").textContent), state = {}, said = {};
    const figure = holder.closest("figure"), form = html("div", { className: "controls" });
    const panels = html("div", { className: "panels", dir: "ltr" }), list = html("dl"), live = html("div", { className: "readings" }, list);
    live.setAttribute("aria-live", "polite");
    const fields = payload.readings.map(reading => {
      const field = html("dd");
      list.append(html("div", {}, html("dt", {}, reading.label), field));
      return field;
    });
    const update = () => {
      payload.readings.forEach((reading, k) => {
        const text = reading.by.reduce((values, name) => values[state[name]], reading.values);
        if (fields[k].textContent !== text) fields[k].textContent = text;
      });
      redraw();
    };
    const set = (name, index) => {
      const { input, say } = said[name];
      state[name] = Math.min(Math.max(index, 0), input.options ? input.options.length - 1 : +input.max);
      input.value = state[name];
      say(state[name]);
      update();
    };
    for (const control of payload.controls) {
      const id = `explore-${number}-${control.name}`;
      const field = said[control.name] = (control.choice ? choice : slider)(control, id);
      state[control.name] = control.start;
      form.append(html("div", { className: "control" }, html("label", { htmlFor: id }, control.label), ...field.parts));
      field.input.value = control.start;
      field.say(control.start);
      field.input.addEventListener("input", () => set(control.name, +field.input.value));
    }
    holder.append(form, panels, live);
    const panel = (label, ...size) => new Panel(panels, label, ...size);
    const redraw = drawings[holder.dataset.widget]({ drawing: payload.drawing, state, set, panel });
    update();
    for (const image of figure.querySelectorAll("img")) image.loading = "eager";  // paper wants it
    figure.classList.add("explored");
    holder.hidden = false;
  };

  window.explore = { define: (name, draw) => { drawings[name] = draw; }, svg, words, points };
  document.addEventListener("DOMContentLoaded", () =>
    document.querySelectorAll(".explorable[data-widget]").forEach(start));
})();
