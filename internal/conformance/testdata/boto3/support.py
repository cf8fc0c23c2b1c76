"""What the test cases share: clients of the twin named in the environment, and names nobody else has."""
import os
import unittest
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(service, **options):
    return boto3.client(service, **options)


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class Case(unittest.TestCase):
    def refused(self, code, call, **arguments):
        """The call must fail with that code; gives the exception."""
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception

    def assertAWS(self, response, status=200):
        meta = response["ResponseMetadata"]
        self.assertEqual(meta["HTTPStatusCode"], status)
        self.assertEqual(meta["RetryAttempts"], 0)
        self.assertTrue(meta["RequestId"])


IMAGE = os.environ.get("IMAGE")
HURRY = {"Delay": 1, "MaxAttempts": 60}
ONCE = Config(retries={"total_max_attempts": 1})
