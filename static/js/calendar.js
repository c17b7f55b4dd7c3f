// Scrolls the calendar to today: on a phone a month does not fit.
const frame = document.querySelector(".calendar-frame");
const today = frame?.querySelector("[aria-current=date]");
if (today) {
  const right = today.offsetLeft + today.offsetWidth * 3;
  if (right > frame.clientWidth) frame.scrollLeft = right - frame.clientWidth;
}
