import datetime
import json

from botocore.exceptions import WaiterError

from support import HURRY, Case, client, unique


def template(count, **outputs):
    groups = {f"G{i:03}": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}} for i in range(count)}
    return json.dumps({"Resources": groups, "Outputs": outputs}) if outputs else json.dumps({"Resources": groups})


class Stacks(Case):
    def setUp(self):
        self.cfn = client("cloudformation")
        self.name = unique("boto3")
        self.addCleanup(lambda: self.cfn.delete_stack(StackName=self.name))

    def create(self, count=2, **options):
        made = self.cfn.create_stack(StackName=self.name, TemplateBody=template(count), **options)
        self.cfn.get_waiter("stack_create_complete").wait(StackName=self.name, WaiterConfig=HURRY)
        return made["StackId"]

    def test_waiters_and_values(self):
        arn = self.create(Tags=[{"Key": "team", "Value": "blue"}], EnableTerminationProtection=False)
        stack = self.cfn.describe_stacks(StackName=arn)["Stacks"][0]
        self.assertEqual((stack["StackName"], stack["StackStatus"]), (self.name, "CREATE_COMPLETE"))
        self.assertIsInstance(stack["CreationTime"], datetime.datetime)
        self.assertIs(stack["EnableTerminationProtection"], False)
        self.cfn.delete_stack(StackName=self.name)
        self.cfn.get_waiter("stack_delete_complete").wait(StackName=arn, WaiterConfig=HURRY)
        self.refused("ValidationError", self.cfn.describe_stacks, StackName=self.name)

    def test_events_page_newest_first_each_once(self):
        self.create(60)
        pages = list(self.cfn.get_paginator("describe_stack_events").paginate(StackName=self.name))
        events = [e for p in pages for e in p["StackEvents"]]
        self.assertGreater(len(pages), 1)
        self.assertEqual(len(events), len({e["EventId"] for e in events}))
        self.assertGreaterEqual(len(events), 2 + 2 * 60)
        self.assertEqual(events[-1]["ResourceStatusReason"], "User Initiated")
        self.assertEqual((events[0]["ResourceType"], events[0]["ResourceStatus"]), ("AWS::CloudFormation::Stack", "CREATE_COMPLETE"))
        times = [e["Timestamp"] for e in events]
        self.assertEqual(times, sorted(times, reverse=True))
        resources = self.cfn.get_paginator("list_stack_resources").paginate(StackName=self.name).build_full_result()["StackResourceSummaries"]
        self.assertEqual(len(resources), 60)

    def test_a_failure_ends_its_waiter(self):
        bad = {"Resources": {"A": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/aws/reserved", "Value": "x"}}}}
        self.cfn.create_stack(StackName=self.name, TemplateBody=json.dumps(bad))
        with self.assertRaises(WaiterError) as caught:
            self.cfn.get_waiter("stack_create_complete").wait(StackName=self.name, WaiterConfig=HURRY)
        self.assertIn("terminal failure state", str(caught.exception))

    def test_exceptions(self):
        self.create()
        exists = self.refused("AlreadyExistsException", self.cfn.create_stack, StackName=self.name, TemplateBody=template(1))
        self.assertIsInstance(exists, self.cfn.exceptions.AlreadyExistsException)
        self.assertEqual(exists.response["Error"]["Message"], f"Stack [{self.name}] already exists")
        nothing = self.refused("ValidationError", self.cfn.update_stack, StackName=self.name, TemplateBody=template(2))
        self.assertEqual(nothing.response["Error"]["Message"], "No updates are to be performed.")
        with self.assertRaises(self.cfn.exceptions.ChangeSetNotFoundException):
            self.cfn.describe_change_set(StackName=self.name, ChangeSetName="none")
        self.refused("ValidationError", self.cfn.create_stack, StackName="1-bad name", TemplateBody=template(1))

    def test_the_resource_interface(self):
        import boto3

        self.create()
        stack = boto3.resource("cloudformation").Stack(self.name)
        self.assertEqual(stack.stack_status, "CREATE_COMPLETE")
        self.assertEqual(len(list(stack.resource_summaries.all())), 2)
