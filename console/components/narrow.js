// Whether the page is as narrow as a phone, now and after it is turned.
export default function narrow({ data, setStateValue }) {
  const phone = matchMedia("(max-width: 640px)");
  const tell = () => {
    if (phone.matches !== data.narrow) setStateValue("narrow", phone.matches);
  };
  tell();
  phone.addEventListener("change", tell);
  return () => phone.removeEventListener("change", tell);
}
