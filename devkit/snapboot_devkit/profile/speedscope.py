"""The imports of a profile as https://www.speedscope.app reads them (file-format-schema.json)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def document(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return an evented profile: phases, and within them the imports, laid one after another."""
    frames: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    children: dict[int | None, list[int]] = {}
    modules = profile["modules"]
    for place, module in enumerate(modules):
        if not module["thread"]:
            children.setdefault(module["parent"], []).append(place)

    def open_frame(name: str, at: float, file: str = "") -> int:
        frames.append({"name": name, **({"file": file} if file else {})})
        events.append({"type": "O", "frame": len(frames) - 1, "at": round(at, 6)})
        return len(frames) - 1

    def close_frame(frame: int, at: float) -> None:
        events.append({"type": "C", "frame": frame, "at": round(at, 6)})

    def add(place: int, at: float) -> float:
        """Lay out an import with those in it first; return where it ends."""
        module = modules[place]
        frame = open_frame(module["name"], at, module["file"])
        end = at
        for child in children.get(place, ()):
            end = add(child, end)
        end += float(module["selfMs"])
        close_frame(frame, end)
        return end

    at = 0.0
    for phase in profile["phases"]:
        frame = open_frame(phase["name"], at)
        when = {"runtime_init": "runtime", "function_init": "function"}.get(phase["key"], "")
        end = at
        for root in children.get(None, ()):
            if modules[root]["when"] == when:
                end = add(root, end)
        at = max(end, at + phase["ms"])
        close_frame(frame, at)
    return {
        "$schema": _SCHEMA,
        "name": f"snapboot profile {profile['handler']}",
        "exporter": "snapboot",
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": [
            {
                "type": "evented",
                "name": "init",
                "unit": "milliseconds",
                "startValue": 0,
                "endValue": round(at, 6),
                "events": events,
            }
        ],
    }
