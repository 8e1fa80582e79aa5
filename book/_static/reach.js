/* What scrolls sideways in a narrow window is reached by keyboard: figures and formulas; the theme sees to code. */
new ResizeObserver(() => {
  for (const box of document.querySelectorAll("figure, mjx-container[display='true']"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
}).observe(document.documentElement);
