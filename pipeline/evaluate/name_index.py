"""The images that a file tells of, by every name that it has for each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from pipeline.evaluate.captions import Row
from pipeline.join.image_names import NAME_RULES, NameRule, best_rule, image_name, said_name
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable

_EXAMPLES = 3


class NameIndex:
    """Where each image is in `names`, under the rules that join a file's names to rows. `file` is what the
    file is called in errors.
    """

    def __init__(self, file: str, names: Sequence[tuple[object, ...]]) -> None:
        self._file, self._names = file, names
        self._places: dict[NameRule, dict[str, int]] = {rule: {} for rule in NAME_RULES}
        self._shared: dict[tuple[NameRule, str], int] = {}
        for place, said in enumerate(names):
            for rule, places in self._places.items():
                for name in {said_name(rule, one) for one in said} - {None}:
                    if places.setdefault(str(name), place) != place:
                        self._shared[rule, str(name)] = place

    def rule_for(self, rows: Callable[[], Iterable[Row]], run: str) -> NameRule:
        """The rule that finds most images. Raises UserError where none finds one."""
        knows = {rule: places.__contains__ for rule, places in self._places.items()}
        rule = best_rule(((row.image_id, row.metadata) for row in rows()), knows)
        if rule is None:
            raise UserError(
                f"no image of {run} is in {self._file}, by any of its names: they are called "
                f"{_shown(row.image_id for row in rows())} here, and "
                f"{_shown(said[0] for said in self._names)} there. Give the file for these images; where its "
                "names are in another column, name that with --image-column."
            )
        return rule

    def place_of(self, rule: NameRule, row: Row) -> int | None:
        """Where the row's image is. Raises UserError where two images of the file have its name."""
        name = image_name(rule, row.image_id, row.metadata)
        place = None if name is None else self._places[rule].get(name)
        if name is None or place is None:
            return None
        if (other := self._shared.get((rule, name))) is not None:
            raise UserError(
                f"{self._file} has two images that are both {printable(name)} by the rule `{rule}`: "
                f"{_shown(self._names[one][0] for one in (place, other))}. Choose another with --join-on."
            )
        return place


def _shown(names: Iterable[object]) -> str:
    shown: Iterator[object] = islice(names, _EXAMPLES)
    return ", ".join(printable(str(name)) for name in shown)
