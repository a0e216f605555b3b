"""STAC documents against their schemas, without a network: pystac brings the core's, the others are here."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from probav.errors import ProbavError
from probav.extras import need

_CORE = "https://schemas.stacspec.org/v1.1.0/{0}-spec/json-schema/{0}.json"
_TYPES = {"Feature": "item", "Collection": "collection", "Catalog": "catalog"}
_WHAT = "Validating STAC"


class StacError(ProbavError, ValueError):
    """A STAC document is not what its schemas ask for."""


def validate(document: dict[str, Any]) -> None:
    """Check a STAC 1.1 item, collection or catalogue against the schemas of its type and its extensions.

    Raises
    ------
    StacError
        If it breaks one, or names an extension whose schema isn't here.
    MissingExtraError
        If pystac or jsonschema is not installed.
    """
    kind = _TYPES.get(str(document.get("type")))
    name = f"The STAC document {document.get('id')!r}"
    if kind is None:
        raise StacError(f"{name} has the type {document.get('type')!r}; expected one of {', '.join(_TYPES)}.")
    checkers = _checkers()
    best_match = need("jsonschema.exceptions", "stac", _WHAT).best_match
    for uri in [_CORE.format(kind), *document.get("stac_extensions", ())]:
        if uri not in checkers:
            raise StacError(f"{name} uses {uri}, whose schema is not here; known: {', '.join(checkers)}.")
        if error := best_match(checkers[uri].iter_errors(document)):
            where = "/".join(map(str, error.absolute_path)) or "its top"
            raise StacError(f"{name} breaks {uri} at {where}: {error.message[:300]}")


@cache
def _checkers() -> dict[str, Any]:
    jsonschema = need("jsonschema", "stac", _WHAT)
    referencing = need("referencing.jsonschema", "stac", _WHAT)
    core = need("pystac.validation.local_validator", "stac", _WHAT).get_local_schema_cache()
    files = resources.files("probav.catalogue") / "schemas"
    own = [json.loads(file.read_text("utf-8")) for file in files.iterdir() if file.name.endswith(".json")]
    schemas = core | {schema["$id"].rstrip("#"): schema for schema in own}
    registry = need("referencing", "stac", _WHAT).Registry().with_resources(
        (uri, referencing.DRAFT7.create_resource(schema)) for uri, schema in schemas.items()
    )  # fmt: skip
    return {
        uri: jsonschema.Draft7Validator(schema, registry=registry) for uri, schema in schemas.items()
    }  # fmt: skip
