"""Judges lines of events by docs/event.schema.json, and the schema itself: it must refuse what no event is."""

import copy
import json
import pathlib
import sys

from jsonschema import Draft202012Validator

PAGE = pathlib.Path(__file__).parents[2] / "docs/event.schema.json"
SCHEMA = json.loads(PAGE.read_text())
Draft202012Validator.check_schema(SCHEMA)
as_published = Draft202012Validator(SCHEMA)

# The published one lets later releases add members. This release tells of none that it does not name.
strict = copy.deepcopy(SCHEMA)
COMMON = {"v", "id", "at", "event", "times", "by"}
names = [branch["if"]["properties"]["event"]["const"] for branch in SCHEMA["allOf"]]
for name in names:
    told = strict["$defs"][name]
    told["properties"].update(dict.fromkeys(COMMON, True))
    told["additionalProperties"] = False
strict["properties"]["event"]["enum"] = names
strict = Draft202012Validator(strict)

lines = [json.loads(line) for line in sys.stdin]
for line in lines:
    for judge in (as_published, strict):
        for error in judge.iter_errors(line):
            sys.exit(f"{error.message} in {line}")
    # What later releases may do to it.
    assert as_published.is_valid(line | {"event": "family.adopted", "colour": "blue"}), line
    # What none may: each of these is no line of this version.
    for member in SCHEMA["required"]:
        assert not as_published.is_valid({name: value for name, value in line.items() if name != member}), line
    for wrong in ({"v": 2}, {"id": "7"}, {"at": "yesterday"}, {"times": 0}, {"event": "Family"}, {"family": 7}):
        assert not as_published.is_valid(line | wrong), (line, wrong)
    for member in SCHEMA["$defs"][line["event"]].get("required", []):
        assert not as_published.is_valid({name: value for name, value in line.items() if name != member}), line

print(f"{len(lines)} lines of {len({line['event'] for line in lines})} events")
