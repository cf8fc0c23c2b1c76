import time

from support import Case, client, unique


class Logs(Case):
    def setUp(self):
        self.logs = client("logs")
        self.group = "/" + unique("boto3")
        self.logs.create_log_group(logGroupName=self.group)
        self.addCleanup(lambda: self.logs.delete_log_group(logGroupName=self.group))
        self.now = int(time.time() * 1000)
        for stream in ("a", "b"):
            self.logs.create_log_stream(logGroupName=self.group, logStreamName=stream)
            events = [{"timestamp": self.now + i, "message": f"{stream}{i:03} {'odd' if i % 2 else 'even'}"} for i in range(150)]
            answer = self.logs.put_log_events(logGroupName=self.group, logStreamName=stream, logEvents=events)
            self.assertNotIn("rejectedLogEventsInfo", answer)

    def test_pages_of_a_filter(self):
        pages = list(self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group, filterPattern="odd", PaginationConfig={"PageSize": 40}))
        events = [e for p in pages for e in p["events"]]
        self.assertGreater(len(pages), 3)
        self.assertEqual(len(events), 150)
        self.assertEqual(len({e["eventId"] for e in events}), 150)
        self.assertEqual({e["logStreamName"] for e in events}, {"a", "b"})
        times = [e["timestamp"] for e in events]
        self.assertEqual(times, sorted(times))

    def test_a_reader_goes_on_where_it_was(self):
        """As aws logs tail --follow does, which version 2 of the CLI has: ask again from the last time, skip what was seen."""
        seen = {e["eventId"] for p in self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group) for e in p["events"]}
        last = self.now + 149
        self.logs.put_log_events(logGroupName=self.group, logStreamName="a", logEvents=[{"timestamp": last, "message": "late"}])
        again = [e for p in self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group, startTime=last) for e in p["events"]]
        self.assertEqual([e["message"] for e in again if e["eventId"] not in seen], ["late"])

    def test_tokens_of_a_stream(self):
        forward = dict(logGroupName=self.group, logStreamName="a", startFromHead=True, limit=100)
        first = self.logs.get_log_events(**forward)
        second = self.logs.get_log_events(**forward, nextToken=first["nextForwardToken"])
        third = self.logs.get_log_events(**forward, nextToken=second["nextForwardToken"])
        self.assertEqual([len(p["events"]) for p in (first, second, third)], [100, 50, 0])
        self.assertEqual(third["nextForwardToken"], second["nextForwardToken"])

    def test_exceptions(self):
        with self.assertRaises(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_group(logGroupName=self.group)
        with self.assertRaises(self.logs.exceptions.ResourceNotFoundException):
            self.logs.get_log_events(logGroupName=self.group, logStreamName="none")
        late = self.logs.put_log_events(logGroupName=self.group, logStreamName="a", logEvents=[{"timestamp": self.now - 20 * 86400000, "message": "x"}])
        self.assertEqual(late["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 1})
