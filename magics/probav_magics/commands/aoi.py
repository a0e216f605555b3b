"""%probav aoi: an area of interest by mouse, box, point, file or name, in a variable that follows the map."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

import probav
from probav.errors import ProbavError, QueryError
from probav_magics.commands.base import Command
from probav_magics.options import Parser, variable_name
from probav_magics.show import publish, show_figure

if TYPE_CHECKING:
    from probav import Aoi
    from probav_magics.session import Session


class _Area(Command):
    name = "aoi"
    example = "%probav aoi field --bbox 4.6 50.6 4.9 50.8"
    help = "Draw an area of interest on a map, or take it from a box, point, file or place."

    def add_options(self, parser: Parser) -> None:
        parser.add_argument(
            "name",
            nargs="?",
            default="aoi",
            type=variable_name,
            metavar="NAME",
            help="variable (default aoi)",
        )
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--bbox", nargs=4, type=float, metavar=("W", "S", "E", "N"), help="degrees")
        source.add_argument("--place", metavar="NAME", help="a country")
        source.add_argument("--file", metavar="FILE", help="GeoJSON, shapefile, GeoPackage, KML, GeoParquet")
        source.add_argument("--point", nargs=2, type=float, metavar=("LON", "LAT"), help="with --buffer")
        parser.add_argument("--buffer", type=float, metavar="KM", help="radius around --point")
        parser.add_argument("--product", metavar="PRODUCT", help="whose latest image lies under the map")
        parser.add_argument("--code", action="store_true", help="print the Python call instead of running it")
        parser.add_argument("--quiet", action="store_true", help="show nothing")
        parser.add_argument("--no-plot", action="store_true", help="draw nothing")

    def run(self, options: Namespace, session: Session) -> None:
        if (options.point is None) != (options.buffer is None):
            raise QueryError("%probav aoi: --point LON LAT and --buffer KM go together.")
        source, named = _source(options)
        if source is None:
            if options.code:
                raise QueryError("%probav aoi --code needs --bbox, --point, --file or --place.")
            self._map(options, session)
            return
        if options.code:
            words = [repr(source), *(f"{name}={value!r}" for name, value in named.items())]
            session.say(f"import probav\n\n{options.name} = probav.aoi({', '.join(words)})")
            return
        area = probav.aoi(source, **named)
        session.store(options.name, area)
        follow_variables(session)
        if options.quiet:
            return
        if not options.no_plot:
            from probav_extensions.outlines import neighbourhood
            from probav_extensions.picture import map_figure

            show_figure(map_figure(neighbourhood(area.bounds, margin=0.5), area))
        session.say(f"{options.name}: {_words(area)}")

    def _map(self, options: Namespace, session: Session) -> None:
        """Show the map of a variable: what it holds, to be edited, or an empty one to draw on."""
        from probav_extensions import AoiMap

        present = session.variables.get(options.name)
        area = None
        if present is not None:
            try:
                area = probav.aoi(present)
            except ProbavError as error:
                raise QueryError(
                    f"The variable {options.name} holds a {type(present).__name__}, no area of interest; "
                    "choose another name."
                ) from error
        named = options.product
        product = session.archive()[named] if named else session.first_product()
        drawn = AoiMap(area, product)
        drawn.on_change(partial(_follow_map, session, options.name))
        session.maps[options.name] = drawn
        if area is not None:
            session.store(options.name, area)
        if not options.quiet:
            publish(drawn)


def follow_variables(session: Session) -> None:
    """Bring maps up to what the user has since put into their variables."""
    for name, drawn in list(session.maps.items()):
        value = session.variables.get(name)
        if value is None or isinstance(value, probav.Aoi):
            if value is not drawn.aoi:
                drawn.aoi = value
        else:  # the name is used for something else now
            del session.maps[name]


def _follow_map(session: Session, name: str, area: Aoi | None) -> None:
    if name not in session.maps:
        return
    if area is None:
        session.variables.pop(name, None)
    else:
        session.store(name, area)


def _source(options: Namespace) -> tuple[Any, dict[str, Any]]:
    if options.bbox is not None:
        return tuple(options.bbox), {}
    if options.point is not None:
        return tuple(options.point), {"buffer_km": options.buffer}
    if options.file is not None:
        from pathlib import Path

        return Path(options.file).expanduser(), {}
    return options.place, {}


def _words(area: Aoi) -> str:
    given = [str(name) for name in area.frame["name"] if not str(name).isdecimal()]
    names = ", ".join(given) if len(area) <= 3 else ""
    count = f"{len(area)} feature" + ("" if len(area) == 1 else "s")
    bounds = ",".join(f"{edge:.4f}" for edge in area.bounds)
    return f"{count}{f' ({names})' if names else ''}, {area.area_km2:,.1f} km², bounds {bounds}"


COMMAND = _Area()
