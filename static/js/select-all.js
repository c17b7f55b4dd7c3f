// Selects all boxes of a list at once. Without this script its own box stays hidden.
for (const label of document.querySelectorAll(".select-all")) label.hidden = false;
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.selectAll;
  if (!name) return;
  for (const box of event.target.form.querySelectorAll(`input[name="${name}"]`)) {
    box.checked = event.target.checked;
  }
});
