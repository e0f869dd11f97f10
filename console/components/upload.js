// Sends files from the browser to S3, with a form that the server has signed.
const MARKS = {
  pdf: [[0x25, 0x50, 0x44, 0x46]],
  png: [[0x89, 0x50, 0x4e, 0x47]],
  jpg: [[0xff, 0xd8, 0xff]],
  jpeg: [[0xff, 0xd8, 0xff]],
  tif: [[0x49, 0x49, 0x2a, 0x00], [0x4d, 0x4d, 0x00, 0x2a]],
  tiff: [[0x49, 0x49, 0x2a, 0x00], [0x4d, 0x4d, 0x00, 0x2a]],
};

const extension = (name) => (name.includes(".") ? name.split(".").pop().toLowerCase() : "");
const mebibytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;

// 32 hexadecimal digits; randomUUID exists on pages with https only.
const unique = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function refusal(file, rules) {
  const kind = extension(file.name);
  if (!rules.kinds.includes(kind)) {
    return `is not an accepted type: ${rules.kinds.join(", ").toUpperCase()}`;
  }
  if (file.size === 0) return "is empty";
  if (file.size > rules.largest) {
    return `is too large: ${mebibytes(file.size)}, at most ${mebibytes(rules.largest)} are accepted`;
  }
  const marks = MARKS[kind];
  if (!marks) return "";
  // A PDF may begin with a few bytes of something else.
  const start = new Uint8Array(await file.slice(0, kind === "pdf" ? 1024 : 4).arrayBuffer());
  const at = (from, mark) => mark.every((byte, i) => start[from + i] === byte);
  const last = kind === "pdf" ? start.length : 1;
  for (let from = 0; from < last; from += 1) {
    if (marks.some((mark) => at(from, mark))) return "";
  }
  return `is not a ${kind.toUpperCase()} file, although its name says so`;
}

function send(file, data, progress) {
  const form = new FormData();
  const key = data.prefix + (data.apart ? `${unique()}/` : "") + file.name;
  for (const [name, value] of Object.entries({ ...data.form.fields, key })) form.append(name, value);
  form.append("file", file);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 300) {
        resolve({ name: file.name, key, version: request.getResponseHeader("x-amz-version-id") ?? "" });
        return;
      }
      const said = /<Message>([^<]*)</.exec(request.responseText);
      resolve({ name: file.name, error: `was rejected by S3: ${said ? said[1] : request.status}` });
    };
    request.onerror = () => resolve({ name: file.name, error: "did not reach S3. Try again." });
    request.open("POST", data.form.url);
    request.send(form);
  });
}

function row(list, name) {
  const line = document.createElement("li");
  const text = document.createElement("span");
  const bar = document.createElement("progress");
  text.textContent = name;
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `${name}: sent`);
  line.append(text, bar);
  list.append(line);
  return {
    progress: (share) => { bar.value = share; },
    end: (problem) => {
      bar.remove();
      line.className = problem ? "refused" : "sent";
      text.textContent = problem ? `${name} ${problem}` : `${name}: sent`;
    },
  };
}

export default function upload({ parentElement, data, setTriggerValue }) {
  const zone = parentElement.querySelector(".zone");
  const input = parentElement.querySelector("input");
  const list = parentElement.querySelector("ul");
  parentElement.querySelector(".label").textContent = data.label;
  parentElement.querySelector(".hint").textContent = data.hint;
  input.accept = data.kinds.map((kind) => `.${kind}`).join(",");
  input.multiple = true;

  const take = async (files) => {
    list.replaceChildren();
    const uploaded = await Promise.all([...files].map(async (file) => {
      const shown = row(list, file.name);
      const error = await refusal(file, data);
      const answer = error ? { name: file.name, error } : await send(file, data, shown.progress);
      shown.end(answer.error);
      return answer;
    }));
    input.value = "";
    setTriggerValue("uploaded", uploaded);
  };
  // Set as properties, which replace the ones before: this runs at every run of the page.
  input.onchange = () => take(input.files);
  zone.ondragover = (event) => { event.preventDefault(); zone.classList.add("over"); };
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event.dataTransfer.files);
  };
}
