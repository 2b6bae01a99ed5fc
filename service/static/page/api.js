// Requests to the API. A failure is a Trouble, which says what happened and what to do next.

export class Trouble extends Error {
  constructor(status, detail, next = "") {
    super(detail);
    this.status = status;
    this.next = next;
  }
}

let key = "";
let asking = null;
let declined = false; // then requests in the background do not open the dialog again

export function headers(more = {}) {
  return key ? { ...more, "X-API-Key": key } : more;
}

// Whether requests carry a key.
export const keyed = () => key !== "";

// All requests that wait for a key share one dialog.
export function askForKey(why) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("key-dialog");
    const input = document.getElementById("key");
    document.getElementById("key-why").textContent = why;
    input.value = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "use" && input.value !== "";
      if (given) key = input.value;
      declined = !given;
      input.value = "";
      asking = null;
      resolve(given);
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
  return asking;
}

async function problem(answer) {
  const document = await answer.json().catch(() => ({}));
  return new Trouble(answer.status, document.detail ?? `The service answered ${answer.status}.`, document.next ?? "");
}

async function once(path, options) {
  try {
    // Relative to the page, which a proxy may show below a path of its own.
    return await fetch(`.${path}`, { ...options, headers: headers(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble(0, "The service does not answer.", "The page tries again by itself.");
  }
}

export async function open(path, options = {}) {
  let answer = await once(path, options);
  while (answer.status === 401 || answer.status === 403) {
    const found = await problem(answer);
    if ((declined && options.background) || !(await askForKey(found.message))) throw found;
    answer = await once(path, options);
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

export const get = async (path, options) => (await open(path, options)).json();

export async function post(path, body, method = "POST") {
  const options = { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await open(path, options)).json();
}

export const put = (path, body) => post(path, body, "PUT");

export const id = encodeURIComponent;
