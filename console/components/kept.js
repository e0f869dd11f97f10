// What a session holds, kept in the tab: a new session of the same person is offered it once.
export default function kept({ data, setTriggerValue }) {
  const name = `finops-kept-${data.name}`;
  const before = JSON.parse(sessionStorage.getItem(name) ?? "null");
  const offered = !data.asked && before?.person === data.person && before.session !== data.session;
  if (offered) {
    setTriggerValue("restored", before.value);
  } else if (data.value) {
    const { person, session, value } = data;
    sessionStorage.setItem(name, JSON.stringify({ person, session, value }));
  } else {
    sessionStorage.removeItem(name);
  }
}
