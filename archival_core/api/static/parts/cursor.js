// A drawing that is read mark by mark: with the pointer, and with the arrow keys.

export function cursor(box, { length, at, show }) {
  let place = -1;
  const move = (to) => {
    if (length() === 0) return;
    place = Math.min(Math.max(to, 0), length() - 1);
    show(place);
  };
  box.addEventListener("pointermove", (event) => move(at(event.clientX - box.getBoundingClientRect().left)));
  box.addEventListener("pointerleave", () => {
    place = -1;
    show(null);
  });
  box.addEventListener("focus", () => {
    if (place < 0) move(length() - 1);
  });
  box.addEventListener("blur", () => show(null));
  box.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: length() - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
}
