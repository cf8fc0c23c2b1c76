import datetime

from support import HURRY, IMAGE, Case, client, unique


class Containers(Case):
    @classmethod
    def setUpClass(cls):
        cls.ecs, cls.cluster = client("ecs"), unique("boto3")
        cls.ecs.create_cluster(clusterName=cls.cluster)
        cls.addClassCleanup(lambda: cls.ecs.delete_cluster(cluster=cls.cluster))
        cls.definition = cls.ecs.register_task_definition(
            family=cls.cluster, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512", executionRoleArn="arn:aws:iam::000000000000:role/any",
            containerDefinitions=[{"name": "web", "image": IMAGE, "portMappings": [{"containerPort": 8080}]}])["taskDefinition"]["taskDefinitionArn"]
        subnet = client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        cls.network = {"awsvpcConfiguration": {"subnets": [subnet]}}

    def test_tasks_page(self):
        started = [t["taskArn"] for t in self.ecs.run_task(cluster=self.cluster, taskDefinition=self.definition, count=3, launchType="FARGATE", networkConfiguration=self.network)["tasks"]]
        self.ecs.get_waiter("tasks_running").wait(cluster=self.cluster, tasks=started, WaiterConfig=HURRY)
        pages = list(self.ecs.get_paginator("list_tasks").paginate(cluster=self.cluster, family=self.cluster, PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(p["taskArns"]) for p in pages], [2, 1])
        self.assertEqual(sorted(a for p in pages for a in p["taskArns"]), sorted(started))
        task = self.ecs.describe_tasks(cluster=self.cluster, tasks=started[:1])["tasks"][0]
        self.assertIsInstance(task["startedAt"], datetime.datetime)
        self.assertIsNotNone(task["startedAt"].tzinfo)
        for arn in started:
            self.ecs.stop_task(cluster=self.cluster, task=arn)
        self.ecs.get_waiter("tasks_stopped").wait(cluster=self.cluster, tasks=started, WaiterConfig=HURRY)

    def test_a_service_settles(self):
        self.ecs.create_service(cluster=self.cluster, serviceName="web", taskDefinition=self.definition, desiredCount=1, launchType="FARGATE", networkConfiguration=self.network)
        self.ecs.get_waiter("services_stable").wait(cluster=self.cluster, services=["web"], WaiterConfig=HURRY)
        service = self.ecs.describe_services(cluster=self.cluster, services=["web"])["services"][0]
        self.assertEqual((service["runningCount"], len(service["deployments"])), (1, 1))
        self.ecs.delete_service(cluster=self.cluster, service="web", force=True)
        self.ecs.get_waiter("services_inactive").wait(cluster=self.cluster, services=["web"], WaiterConfig=HURRY)
        with self.assertRaises(self.ecs.exceptions.ServiceNotActiveException):
            self.ecs.update_service(cluster=self.cluster, service="web", desiredCount=2)

    def test_exceptions(self):
        with self.assertRaises(self.ecs.exceptions.ClusterNotFoundException) as caught:
            self.ecs.list_tasks(cluster="none")
        self.assertEqual(caught.exception.response["Error"]["Message"], "Cluster not found.")
        with self.assertRaises(self.ecs.exceptions.ServiceNotFoundException):
            self.ecs.update_service(cluster=self.cluster, service="none")
        with self.assertRaises(self.ecs.exceptions.ClientException):
            self.ecs.describe_task_definition(taskDefinition="none")
        with self.assertRaises(self.ecs.exceptions.InvalidParameterException):
            self.ecs.stop_task(cluster=self.cluster, task="0" * 32)
