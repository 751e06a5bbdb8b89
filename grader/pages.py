"""What both pages are made of: the templates, what they may print, and what a page may load.

Two rules hold for every page. What a student wrote is text: every string a template prints passes `legible`, then
jinja2's autoescape. And the page's Content-Security-Policy allows nothing but what is ours, by its hash. Wording lives
in ``templates/``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import importlib.resources
from collections.abc import Callable, Mapping
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from grader.languages import ENGLISH, Language
from grader.legible import legible, number, ticked

DISTRIBUTION = "ch17-grader"

# What a page may load: its own style, by hash, and pictures that lie in it; the class page also its own script.
POLICY = "default-src 'none'; style-src {style};{script} img-src data:; base-uri 'none'; form-action 'none'"


def page(template: str, language: Language, script: str = "", **facts: object) -> str:
    """A template with these facts, in this language; ``script`` names the one file of ours that the page may run."""
    environment = _environment(language)
    policy = POLICY.format(style=_hash("report.css"), script=f" script-src {_hash(script)};" if script else "")
    return environment.get_template(template).render(policy=policy, script=_own(script) if script else "", **facts)


@functools.cache
def _own(name: str) -> Markup:
    """A file of ours, to stand in a page as it is."""
    return Markup((templates_dir() / name).read_text(encoding="utf-8"))


def _hash(name: str) -> str:
    """The source expression that allows a file of ours and nothing else."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(_own(name).encode()).digest()).decode()}'"


def templates_dir() -> Path:
    """Where the templates are: packed into ``grader`` in an installed wheel, beside it in a checkout."""
    packed = Path(str(importlib.resources.files("grader"))) / "templates"
    return packed if packed.is_dir() else packed.parent.parent / "templates"


def _finalize(value: object) -> object:
    """What jinja2 calls on every value a template prints, before it escapes it."""
    return legible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _environment(language: Language = ENGLISH) -> jinja2.Environment:
    environment = jinja2.Environment(
        extensions=["jinja2.ext.i18n"],
        loader=jinja2.FileSystemLoader(templates_dir()),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.globals |= _words(language)
    environment.filters |= {"number": number, "legible": legible, "ticked": ticked}
    environment.globals |= {"style": _own("report.css"), "version": _version(), "language": language}
    return environment


def _words(language: Language) -> dict[str, Callable[..., Markup]]:
    """What ``{% trans %}`` and ``_()`` call: a translation is ours, and its facts are text like all that is printed."""

    def one(text: str, /, **facts: object) -> Markup:
        return Markup(language.catalogue.gettext(text)) % _shown(facts)

    def some(one: str, many: str, count: int, /, **facts: object) -> Markup:
        return Markup(language.catalogue.ngettext(one, many, count)) % _shown({"num": count, **facts})

    return {"_": one, "gettext": one, "ngettext": some}


def _shown(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: _finalize(fact) for name, fact in facts.items()}


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout"


# The instructor's Markdown, and no way out of the page: no raw HTML, no links, no images.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_MARKDOWN.disable(["link", "image", "autolink", "reference", "html_inline", "html_block"])


def rendered(markdown: str) -> Markup:
    """An instructor's Markdown as HTML."""
    return Markup(_MARKDOWN.render(legible(markdown)))
