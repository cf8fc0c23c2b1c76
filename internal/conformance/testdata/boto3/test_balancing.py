from support import HURRY, Case, client, unique


class Balancing(Case):
    def test_a_load_balancer_comes_and_goes(self):
        elb, ec2, name = client("elbv2"), client("ec2"), unique("boto3")
        subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]][:2]
        made = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
        arn = made["LoadBalancerArn"]
        elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig=HURRY)
        again = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
        self.assertEqual(again["LoadBalancerArn"], arn)
        with self.assertRaises(elb.exceptions.DuplicateLoadBalancerNameException):
            elb.create_load_balancer(Name=name, Subnets=subnets, Scheme="internal")
        groups = [elb.create_target_group(Name=f"{name}-{i}", Protocol="HTTP", Port=80, VpcId=made["VpcId"], TargetType="ip")["TargetGroups"][0]["TargetGroupArn"] for i in range(3)]
        pages = list(elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2}))
        self.assertTrue(set(groups) <= {g["TargetGroupArn"] for p in pages for g in p["TargetGroups"]})
        self.assertGreater(len(pages), 1)
        with self.assertRaises(elb.exceptions.TargetGroupNotFoundException):
            elb.describe_target_groups(Names=["none"])
        with self.assertRaises(elb.exceptions.ListenerNotFoundException):
            elb.describe_listeners(ListenerArns=[arn.replace(":loadbalancer/", ":listener/") + "/0123456789abcdef"])
        for group in groups:
            elb.delete_target_group(TargetGroupArn=group)
        elb.delete_load_balancer(LoadBalancerArn=arn)
        elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[arn], WaiterConfig=HURRY)
        with self.assertRaises(elb.exceptions.LoadBalancerNotFoundException):
            elb.describe_load_balancers(LoadBalancerArns=[arn])
