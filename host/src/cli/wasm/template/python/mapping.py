"""The mapping: an audit record in, a document out.

Plain Python without I/O, clock or randomness, so that the same record and the same options always give the same document, and
unittest tests it without WebAssembly. `component.py` is the shell.
"""

import ipaddress
import json
import re
from dataclasses import dataclass, field

# What the component says of itself.
DESCRIPTION = "Maps Office 365 audit records"
# What the documents follow.
OUTPUT_SCHEMA = "ecs-8.11"

OUTCOMES = {
    "Succeeded": "success",
    "Success": "success",
    "True": "success",
    "Failed": "failure",
    "Failure": "failure",
    "False": "failure",
}


class Unmappable(Exception):
    """The record cannot be mapped, and why. The host keeps it as a dead letter."""


@dataclass
class Mapper:
    """The mapping with its options."""

    # Records of these operations are dropped.
    drop: list[str] = field(default_factory=list)
    # Stand in every document.
    tags: list[str] = field(default_factory=list)

    @classmethod
    def configure(cls, options: str) -> "Mapper":
        """Reads `options` of the transform in the host's configuration, a JSON object.

        What is unknown is refused: a misspelt option would do nothing. Raises ValueError for the person who wrote them.
        """
        found = _object(options, "the options are")
        for name, value in found.items():
            if name not in ("drop", "tags"):
                raise ValueError(f"there is no option `{name}`; there are `drop` and `tags`")
            if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
                raise ValueError(f"`{name}` must be a list of texts")
        return cls(**found)

    def map(self, record: bytes) -> bytes | None:
        """Maps one record: a document, as JSON on one line, or None if the record is not wanted.

        Nobody has checked that it is JSON. Raises Unmappable with the reason.
        """
        try:
            found = _object(record, "the record is")
        except ValueError as error:
            raise Unmappable(str(error)) from error

        def text(name: str) -> str | None:
            value = found.get(name)
            return value if isinstance(value, str) else None

        if text("Operation") in self.drop:
            return None
        time = text("CreationTime")
        if time is None:
            raise Unmappable("the record has no CreationTime")
        document = {
            # The service writes UTC without saying so.
            "@timestamp": time.rstrip("Z") + "Z",
            "event": _present(
                kind="event",
                id=text("Id"),
                action=text("Operation"),
                provider=text("Workload"),
                outcome=OUTCOMES.get(text("ResultStatus") or "", "unknown"),
            ),
            "organization": _present(id=text("OrganizationId")),
            "user": _present(id=text("UserId")),
            "source": _present(ip=address(text("ClientIP"))),
            "tags": self.tags,
        }
        document = {name: part for name, part in document.items() if part}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _object(text: str | bytes, what: str) -> dict:
    try:
        # RecursionError: thousands of brackets. UnicodeDecodeError is a ValueError.
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} no JSON object: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{what} no JSON object")
    return found


def _present(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None}


def address(text: str | None) -> str | None:
    """The address without the port that some services add: `203.0.113.7:51234`, `[2001:db8::1]:443`.

    An IPv4 address that is written as one of IPv6 is one of IPv4.
    """
    text = (text or "").strip()
    with_port = re.fullmatch(r"(?:\[([^\]]*:[^\]]*)\]|([0-9.]+)):([0-9]{1,5})", text)
    if with_port and int(with_port[3]) > 65535:
        return None
    host = with_port[1] or with_port[2] if with_port else text.removeprefix("[").removesuffix("]")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            # It means something on one machine only.
            return None
        found = found.ipv4_mapped or found
    return str(found)
