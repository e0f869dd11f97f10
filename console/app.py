"""The console's frame: sign-in, navigation and the page that is open."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import streamlit as st

from console import cards, identity, ui
from console.pages import PAGES
from console.services import services
from console.views import invoice, overview
from finops.deployment.environment import LOCAL, named_environment

st.set_page_config(
    page_title="FinOps console",
    page_icon=str(Path(__file__).with_name("icon.png")),
    layout="wide",
)


deployment = named_environment(os.environ.get("FINOPS_ENV", LOCAL))
user = identity.current(deployment)
identity.note_use(deployment)
# For typed.html, which gives typed text back to the same person only.
parts = [f'<span data-finops-user="{html.escape(user.identity if user else "")}"></span>']
parts += [Path(__file__).with_name(name).read_text() for name in ("frame.html", "typed.html")]
st.html("".join(parts), unsafe_allow_javascript=True)


def page(view: ModuleType) -> Callable[[], None]:
    """The function that draws a view."""
    return lambda: view.show(services(deployment), user)


# Defined before sign-in too, so that a link to a page leads there afterwards.
opened = st.navigation(
    ui.register_pages(
        {
            title: st.Page(
                page(view),
                title=title,
                icon=icon,
                url_path=title.lower(),
                default=view is overview,
                visibility="hidden" if view is invoice else "visible",
            )
            for view, title, icon in PAGES
        }
    ),
    position="sidebar" if user else "hidden",
)
if user is None:
    identity.sign_in(deployment)
    st.stop()
with st.sidebar:
    st.markdown(f"**{ui.escaped(user.name)}**  \n{user.role.capitalize()} · `{deployment.name}`")
    st.caption("All times are UTC.")
    identity.sign_out(deployment)
    cards.watch_width()
ui.show_flash()
with ui.failures("This page cannot be shown"):
    opened.run()
