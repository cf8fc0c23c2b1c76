import datetime
import hashlib
import io
import urllib.request

import boto3
from botocore.config import Config

from support import HURRY, Case, client, unique


class Objects(Case):
    def setUp(self):
        self.s3 = client("s3")
        self.bucket = unique("boto3")
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.get_waiter("bucket_exists").wait(Bucket=self.bucket, WaiterConfig=HURRY)
        self.addCleanup(self.empty)

    def empty(self):
        bucket = boto3.resource("s3").Bucket(self.bucket)
        bucket.object_versions.delete()
        bucket.delete()
        self.s3.get_waiter("bucket_not_exists").wait(Bucket=self.bucket, WaiterConfig=HURRY)

    def test_a_body_streams(self):
        content = bytes(range(256)) * 4096
        put = self.s3.put_object(Bucket=self.bucket, Key="k", Body=io.BytesIO(content), Metadata={"colour": "blue", "two-words": "x y"})
        self.assertAWS(put)
        self.assertEqual(put["ETag"], f'"{hashlib.md5(content).hexdigest()}"')
        got = self.s3.get_object(Bucket=self.bucket, Key="k")
        self.assertEqual(got["Metadata"], {"colour": "blue", "two-words": "x y"})
        self.assertIsInstance(got["LastModified"], datetime.datetime)
        body = got["Body"]
        self.assertEqual(body.read(1000), content[:1000])
        self.assertEqual(b"".join(body.iter_chunks(4096)), content[1000:])
        lines = self.s3.put_object(Bucket=self.bucket, Key="lines", Body=b"one\ntwo\n") and self.s3.get_object(Bucket=self.bucket, Key="lines")["Body"]
        self.assertEqual(list(lines.iter_lines()), [b"one", b"two"])

    def test_pages(self):
        for i in range(23):
            self.s3.put_object(Bucket=self.bucket, Key=f"dir{i % 3}/{i:02} ü+", Body=b"")
        pages = list(self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, PaginationConfig={"PageSize": 5}))
        keys = [o["Key"] for p in pages for o in p["Contents"]]
        self.assertEqual(len(pages), 5)
        self.assertEqual(keys, sorted(f"dir{i % 3}/{i:02} ü+" for i in range(23)))
        folders = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Delimiter="/").search("CommonPrefixes[].Prefix")
        self.assertEqual(list(folders), ["dir0/", "dir1/", "dir2/"])
        old = self.s3.get_paginator("list_objects").paginate(Bucket=self.bucket, PaginationConfig={"PageSize": 10}).build_full_result()
        self.assertEqual(len(old["Contents"]), 23)

    def test_transfers_in_parts(self):
        content = bytes(range(256)) * (20 * 4096) + b"end"
        self.s3.upload_fileobj(io.BytesIO(content), self.bucket, "big")
        back = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "big", back)
        self.assertEqual(hashlib.sha256(back.getvalue()).digest(), hashlib.sha256(content).digest())
        self.s3.copy({"Bucket": self.bucket, "Key": "big"}, self.bucket, "copy")
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="copy")["ContentLength"], len(content))

    def test_parts_by_hand(self):
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key="k")["UploadId"]
        parts = []
        for number, body in enumerate([b"a" * (5 << 20), b"b"], 1):
            made = self.s3.upload_part(Bucket=self.bucket, Key="k", UploadId=upload, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": made["ETag"]})
        self.s3.complete_multipart_upload(Bucket=self.bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="k")["ContentLength"], (5 << 20) + 1)

    def test_presigned(self):
        v4 = client("s3", config=Config(signature_version="s3v4"))
        put = urllib.request.Request(v4.generate_presigned_url("put_object", {"Bucket": self.bucket, "Key": "k"}), data=b"by address", method="PUT")
        self.assertEqual(urllib.request.urlopen(put).status, 200)
        with urllib.request.urlopen(v4.generate_presigned_url("get_object", {"Bucket": self.bucket, "Key": "k"})) as got:
            self.assertEqual(got.read(), b"by address")

    def test_exceptions(self):
        with self.assertRaises(self.s3.exceptions.NoSuchKey):
            self.s3.get_object(Bucket=self.bucket, Key="none")
        with self.assertRaises(self.s3.exceptions.NoSuchBucket):
            self.s3.list_objects_v2(Bucket=unique("none"))
        with self.assertRaises(self.s3.exceptions.NoSuchUpload):
            self.s3.list_parts(Bucket=self.bucket, Key="k", UploadId="none")
        self.refused("404", self.s3.head_object, Bucket=self.bucket, Key="none")
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"1")
        self.refused("PreconditionFailed", self.s3.put_object, Bucket=self.bucket, Key="k", Body=b"2", IfNoneMatch="*")
        self.refused("BucketNotEmpty", self.s3.delete_bucket, Bucket=self.bucket)
        self.refused("304", self.s3.get_object, Bucket=self.bucket, Key="k", IfNoneMatch=self.s3.head_object(Bucket=self.bucket, Key="k")["ETag"])

    def test_the_resource_interface(self):
        bucket = boto3.resource("s3").Bucket(self.bucket)
        bucket.put_object(Key="a", Body=b"1")
        bucket.Object("b").put(Body=b"2")
        self.assertEqual([o.key for o in bucket.objects.all()], ["a", "b"])
        self.assertEqual(len(bucket.objects.delete()[0]["Deleted"]), 2)
