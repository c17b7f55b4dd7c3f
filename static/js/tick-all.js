// Ticks all boxes of a list at once. Without this script the box for it stays hidden.
for (const label of document.querySelectorAll(".tick-all")) label.hidden = false;
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.tickAll;
  if (!name) return;
  for (const box of event.target.form.querySelectorAll(`input[name="${name}"]`)) {
    box.checked = event.target.checked;
  }
});
