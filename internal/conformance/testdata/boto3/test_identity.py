import datetime
import json
import os
import time
from unittest import mock

import boto3
import botocore.auth
import botocore.compat

from support import ONCE, Case, client, unique

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}]})


def later(minutes):
    """Has botocore sign with a clock that is wrong."""
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return mock.patch.object(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: moment.replace(tzinfo=None) if remove_tzinfo else moment)


class Identity(Case):
    def test_a_wrong_secret(self):
        wrong = dict(aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="wrong", config=ONCE)
        self.refused("SignatureDoesNotMatch", client("sts", **wrong).get_caller_identity)
        self.refused("InvalidSignatureException", client("ecs", **wrong).list_clusters)
        self.refused("SignatureDoesNotMatch", client("s3", **wrong).list_buckets)

    def test_a_key_nobody_has(self):
        nobody = dict(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x", config=ONCE)
        self.refused("InvalidClientTokenId", client("sts", **nobody).get_caller_identity)
        self.refused("UnrecognizedClientException", client("kms", **nobody).list_keys)
        self.refused("InvalidAccessKeyId", client("s3", **nobody).list_buckets)
        self.refused("AuthFailure", client("ec2", **nobody).describe_vpcs)

    def test_a_clock_that_is_wrong(self):
        for minutes, words in ((-20, "Signature expired: "), (20, "Signature not yet current: ")):
            with later(minutes):
                e = self.refused("SignatureDoesNotMatch", client("sts", config=ONCE).get_caller_identity)
                self.assertIn(words, str(e))
                self.refused("InvalidSignatureException", client("ecs", config=ONCE).list_clusters)
                self.refused("RequestTimeTooSkewed", client("s3", config=ONCE).list_buckets)

    def test_a_role_is_taken(self):
        iam, sts, name = client("iam"), client("sts"), unique("boto3")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        self.addCleanup(lambda: iam.delete_role(RoleName=name))
        iam.get_waiter("role_exists").wait(RoleName=name)
        self.assertEqual(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Version"], "2012-10-17")
        given = sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)["Credentials"]
        self.assertAlmostEqual(given["Expiration"].timestamp(), time.time() + 900, delta=60)
        session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        self.assertEqual(session.client("sts").get_caller_identity()["Arn"], f"arn:aws:sts::000000000000:assumed-role/{name}/me")
        self.assertIn("Buckets", session.client("s3").list_buckets())
        without = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"])
        self.refused("InvalidClientTokenId", without.client("sts", config=ONCE).get_caller_identity)
        with self.assertRaises(iam.exceptions.NoSuchEntityException):
            iam.get_role(RoleName=unique("none"))

    def test_pages_of_roles(self):
        iam, path = client("iam"), f"/{unique('boto3')}/"
        names = [unique("page") for _ in range(5)]
        for name in names:
            iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST)
            self.addCleanup(lambda n=name: iam.delete_role(RoleName=n))
        pages = list(iam.get_paginator("list_roles").paginate(PathPrefix=path, PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(p["Roles"]) for p in pages], [2, 2, 1])
        self.assertEqual(sorted(r["RoleName"] for p in pages for r in p["Roles"]), sorted(names))
