// A page of a document, with a box where each value was read.
export default function page({ parentElement, data, setTriggerValue }) {
  const image = parentElement.querySelector("img");
  const sheet = parentElement.querySelector(".sheet");
  image.src = data.image;
  image.alt = data.alt;
  sheet.querySelectorAll(".box").forEach((box) => box.remove());
  for (const one of data.boxes) {
    const box = document.createElement("button");
    box.type = "button";
    box.className = `box ${one.level}`;
    // Keeps the label of a box within the page.
    box.classList.toggle("rightwards", one.left < 0.5);
    box.classList.toggle("upwards", one.top > 0.9);
    const percent = (share) => `${100 * share}%`;
    box.style.left = percent(one.left);
    box.style.top = percent(one.top);
    box.style.width = percent(one.width);
    box.style.height = percent(one.height);
    box.title = one.title;
    box.setAttribute("aria-label", one.title);
    const name = document.createElement("span");
    name.textContent = one.title;
    box.append(name);
    sheet.append(box);
  }
}
