// What a session holds, kept in the tab: a new session of the same person gets it back.
export default function kept({ data, setTriggerValue }) {
  const name = `finops-kept-${data.name}`;
  const before = JSON.parse(sessionStorage.getItem(name) ?? "null");
  if (data.fresh && before?.person === data.person) {
    setTriggerValue("restored", before.value);
  } else if (data.value) {
    sessionStorage.setItem(name, JSON.stringify({ person: data.person, value: data.value }));
  } else {
    sessionStorage.removeItem(name);
  }
}
