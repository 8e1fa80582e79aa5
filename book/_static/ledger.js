/* Filters the ledger of claims. Without this script, and on paper, every row shows and the form does not. */
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.ledger-filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("table.ledger tbody tr")].map(row => ({
    row,
    verdict: row.querySelector(".verdict").classList[1],
    chapter: row.cells[4].textContent.trim(),
    subject: row.cells[0].textContent.match(/[A-Z][a-z]*/)[0],
  }));
  for (const chapter of new Set(rows.map(r => r.chapter).filter(Boolean)))
    form.elements.chapter.add(new Option(chapter, chapter));
  const count = form.querySelector("output"), number = n => n.toLocaleString(document.documentElement.lang);
  const apply = () => {
    const wanted = Object.entries(Object.fromEntries(new FormData(form))).filter(([, value]) => value);
    const shown = rows.filter(r => {
      const fits = wanted.every(([name, value]) => r[name] === value);
      r.row.classList.toggle("filtered-out", !fits);
      return fits;
    });
    count.textContent = count.dataset.text
      .replace("{shown}", number(shown.length)).replace("{all}", number(rows.length));
  };
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.hidden = false;
  apply();
});
