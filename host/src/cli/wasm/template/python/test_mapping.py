"""The mapping alone, and the fixtures through it. `o365-host test` runs the same fixtures through the component."""

import json
import pathlib
import unittest

from mapping import Mapper, Unmappable, address

# As in pipeline.yaml.
OPTIONS = '{"drop": ["MailboxLogin"], "tags": ["{{name}}"]}'
FIXTURES = pathlib.Path(__file__).parent / "fixtures"


def document(mapper: Mapper, record: dict) -> dict:
    return json.loads(mapper.map(json.dumps(record).encode()))


class TestMapping(unittest.TestCase):
    def test_the_time_is_utc(self):
        found = document(Mapper(), {"CreationTime": "2026-01-15T10:00:00"})
        self.assertEqual(found["@timestamp"], "2026-01-15T10:00:00Z")
        self.assertEqual(found["event"]["outcome"], "unknown")
        self.assertNotIn("user", found, "nothing is made up")

    def test_an_address_has_no_port(self):
        self.assertEqual(address("203.0.113.7:51234"), "203.0.113.7")
        self.assertEqual(address("203.0.113.7"), "203.0.113.7")
        self.assertEqual(address("[2001:db8::1]:443"), "2001:db8::1")
        self.assertEqual(address("2001:db8::1"), "2001:db8::1")
        self.assertEqual(address("::ffff:203.0.113.7"), "203.0.113.7")
        self.assertEqual(address("[203.0.113.7]"), "203.0.113.7")
        self.assertIsNone(address("[203.0.113.7]:443"))
        self.assertIsNone(address("203.0.113.7:99999"))
        self.assertIsNone(address("fe80::1%eth0"))
        self.assertIsNone(address("010.0.113.7"))
        self.assertIsNone(address("<null>"))
        self.assertIsNone(address(None))

    def test_options_are_checked(self):
        mapper = Mapper.configure('{"drop": ["MailboxLogin"], "tags": ["mine"]}')
        self.assertIsNone(mapper.map(b'{"Operation": "MailboxLogin"}'))
        found = document(mapper, {"CreationTime": "2026-01-15T10:00:00"})
        self.assertEqual(found["tags"], ["mine"])
        for options, reason in [
            ('{"tag": []}', "no option `tag`"),
            ('{"tags": "mine"}', "list of texts"),
            ("[]", "no JSON object"),
        ]:
            with self.assertRaisesRegex(ValueError, reason):
                Mapper.configure(options)

    def test_what_is_no_record_fails_with_the_reason(self):
        for record, reason in [
            (b"nonsense", "no JSON object"),
            (b"\xff", "no JSON object"),
            (b"[1]", "no JSON object"),
            (b"[" * 100_000, "no JSON object"),
            (b"{}", "no CreationTime"),
        ]:
            with self.assertRaisesRegex(Unmappable, reason):
                Mapper().map(record)

    def test_every_fixture_becomes_what_is_expected(self):
        mapper = Mapper.configure(OPTIONS)
        found = 0
        for path in sorted(FIXTURES.glob("*.json")):
            if path.name.endswith("-expected.json"):
                continue
            events = json.loads(path.read_text())["events"]
            got = [mapper.map(json.dumps(event).encode()) for event in events]
            got = [None if text is None else json.loads(text) for text in got]
            expected = json.loads(path.with_name(path.name + "-expected.json").read_text())
            self.assertEqual(got, expected["expected"], path.name)
            found += len(events)
        self.assertGreater(found, 0, "no fixture was found")


if __name__ == "__main__":
    unittest.main()
