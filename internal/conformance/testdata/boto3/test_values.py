"""Types and values come through as botocore's models have them: blobs, floats, times, request ids."""
import datetime
import secrets

from support import Case, client, unique


class Values(Case):
    def test_blobs(self):
        kms = client("kms")
        key = kms.create_key()["KeyMetadata"]
        self.assertIsInstance(key["CreationDate"], datetime.datetime)
        secret = secrets.token_bytes(1000)
        sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=secret)
        self.assertAWS(sealed)
        self.assertEqual(kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"], secret)
        with self.assertRaises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"][:-1] + b"x")
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)

    def test_floats(self):
        ecs, scaling, name = client("ecs"), client("application-autoscaling"), unique("boto3")
        ecs.create_cluster(clusterName=name)
        ecs.register_task_definition(family=name, containerDefinitions=[{"name": "web", "image": "none", "memory": 64}])
        ecs.create_service(cluster=name, serviceName="web", taskDefinition=name, desiredCount=0)
        target = dict(ServiceNamespace="ecs", ResourceId=f"service/{name}/web", ScalableDimension="ecs:service:DesiredCount")
        scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
        scaling.put_scaling_policy(**target, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}})
        policy = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=target["ResourceId"])["ScalingPolicies"][0]
        self.assertIsInstance(policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"], float)
        scaling.deregister_scalable_target(**target)
        ecs.delete_service(cluster=name, service="web")
        ecs.delete_cluster(cluster=name)

    def test_parameters(self):
        ssm, path = client("ssm"), "/" + unique("boto3")
        for i in range(12):
            ssm.put_parameter(Name=f"{path}/{i:02}", Type="String", Value=str(i))
        pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path=path, PaginationConfig={"PageSize": 5}))
        self.assertEqual([p["Value"] for page in pages for p in page["Parameters"]], [str(i) for i in range(12)])
        with self.assertRaises(ssm.exceptions.ParameterNotFound):
            ssm.get_parameter(Name=path + "/none")
        ssm.delete_parameters(Names=[f"{path}/{i:02}" for i in range(10)])
        ssm.delete_parameters(Names=[f"{path}/{i:02}" for i in range(10, 12)])

    def test_regions_and_accounts_are_apart(self):
        name = "/" + unique("boto3")
        client("ssm").put_parameter(Name=name, Type="String", Value="here")
        elsewhere = client("ssm", region_name="eu-west-1")
        with self.assertRaises(elsewhere.exceptions.ParameterNotFound):
            elsewhere.get_parameter(Name=name)
        client("ssm").delete_parameter(Name=name)

    def test_the_registry(self):
        import base64

        ecr, name = client("ecr"), unique("boto3")
        made = ecr.create_repository(repositoryName=name)["repository"]
        self.assertTrue(made["repositoryUri"].endswith("/" + name))
        with self.assertRaises(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=name)
        token = ecr.get_authorization_token()["authorizationData"][0]
        self.assertTrue(base64.b64decode(token["authorizationToken"]).startswith(b"AWS:"))
        self.assertGreater(token["expiresAt"], datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=11))
        with self.assertRaises(ecr.exceptions.ImageNotFoundException):
            ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "none"}])
        ecr.delete_repository(repositoryName=name)
