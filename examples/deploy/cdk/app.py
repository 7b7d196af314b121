"""What `snapboot package` wrote, as a stack: `cdk deploy -c variant=…`, one of `VARIANTS`."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, Node

ARCHITECTURES = {
    "x86_64": (lambda_.Architecture.X86_64, ecr_assets.Platform.LINUX_AMD64),
    "arm64": (lambda_.Architecture.ARM_64, ecr_assets.Platform.LINUX_ARM64),
}

# RESPONSE_STREAM streams what a generator yields. Any other result becomes the body as it is, with
# status 200: a handler that returns {"statusCode": 201, ...} needs BUFFERED.
URL_INVOKE_MODE = lambda_.InvokeMode.RESPONSE_STREAM


class Shipped:
    """What all variants share: the settings in `cdk.json`, the log group, the role."""

    def __init__(self, stack: cdk.Stack) -> None:
        node: Node = stack.node
        self.dist = Path(node.get_context("dist"))
        self.handler = node.get_context("handler")
        self.architecture, self.platform = ARCHITECTURES[node.get_context("architecture")]
        self.log_group = logs.LogGroup(
            stack,
            "LogGroup",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log_group.grant_write(self.role)

    def settings(self, *, memory_mb: int = 512) -> dict:
        return {
            "architecture": self.architecture,
            "memory_size": memory_mb,  # at 1769 MB a function has one whole CPU
            "timeout": cdk.Duration.seconds(10),
            "role": self.role,
            "log_group": self.log_group,
            "logging_format": lambda_.LoggingFormat.JSON,
            "application_log_level_v2": lambda_.ApplicationLogLevel.INFO,
            "system_log_level_v2": lambda_.SystemLogLevel.INFO,
        }

    def zipped(self, scope: Construct, **settings) -> lambda_.Function:
        return lambda_.Function(
            scope,
            "Function",
            runtime=lambda_.Runtime.PROVIDED_AL2023,
            code=lambda_.Code.from_asset(str(self.dist / "function.zip")),
            handler=self.handler,
            **settings,
        )


class ZipStack(cdk.Stack):
    """The interpreter is in the function's own zip."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        shipped = Shipped(self)
        add_url(self, shipped.zipped(self, **shipped.settings()))


class LayerStack(cdk.Stack):
    """The interpreter is in a layer, which functions share."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        shipped = Shipped(self)
        layer = lambda_.LayerVersion(
            self,
            "Layer",
            description="CPython and the snapboot runtime",
            code=lambda_.Code.from_asset(str(shipped.dist / "layer.zip")),
            compatible_runtimes=[lambda_.Runtime.PROVIDED_AL2023],
            compatible_architectures=[shipped.architecture],
            removal_policy=cdk.RemovalPolicy.RETAIN,  # functions of other stacks may use it
        )
        shipped.zipped(self, layers=[layer], **shipped.settings())


class ManagedRuntimeStack(cdk.Stack):
    """AWS's managed runtime, whose client a layer and one variable replace."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        shipped = Shipped(self)
        runtimes = [
            lambda_.Runtime.PYTHON_3_11,
            lambda_.Runtime.PYTHON_3_12,
            lambda_.Runtime.PYTHON_3_13,
        ]
        layer = lambda_.LayerVersion(
            self,
            "Layer",
            description="The snapboot runtime, in the place of AWS's client",
            code=lambda_.Code.from_asset(str(shipped.dist / "layer.zip")),
            compatible_runtimes=runtimes,
            compatible_architectures=[each for each, _ in ARCHITECTURES.values()],
            removal_policy=cdk.RemovalPolicy.RETAIN,  # functions of other stacks may use it
        )
        wrapped = self.node.try_get_context("wrapped") != "false"
        lambda_.Function(
            self,
            "Function",
            runtime=runtimes[-1],
            code=lambda_.Code.from_asset(str(shipped.dist / "function.zip")),
            handler=shipped.handler,
            layers=[layer],
            environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/snapboot"} if wrapped else {},
            **shipped.settings(),
        )


class ImageStack(cdk.Stack):
    """An image, started from a snapshot (SnapStart) through its alias; $LATEST never is."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        shipped = Shipped(self)
        function = lambda_.DockerImageFunction(
            self,
            "Function",
            code=lambda_.DockerImageCode.from_image_asset(
                str(shipped.dist / "image"), platform=shipped.platform
            ),
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS,
            **shipped.settings(),
        )
        add_url(self, function.add_alias("live"))


class ManagedInstancesStack(cdk.Stack):
    """The zip, on EC2 instances of this account that Lambda starts and ends."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        shipped = Shipped(self)
        subnets = cdk.CfnParameter(self, "SubnetIds", type="List<AWS::EC2::Subnet::Id>")
        group = cdk.CfnParameter(self, "SecurityGroupId", type="AWS::EC2::SecurityGroup::Id")
        provider = lambda_.CapacityProvider(
            self,
            "CapacityProvider",
            subnets=[
                ec2.Subnet.from_subnet_id(
                    self, f"Subnet{zone}", cdk.Fn.select(zone, subnets.value_as_list)
                )
                for zone in (0, 1)
            ],
            security_groups=[
                ec2.SecurityGroup.from_security_group_id(
                    self, "SecurityGroup", group.value_as_string
                )
            ],
            architectures=[shipped.architecture],
            max_v_cpu_count=12,  # of all instances together; the bill's upper end
        )
        provider.add_function(
            shipped.zipped(self, **shipped.settings(memory_mb=2048)),  # the least here
            # Each environment is one process that asks for one event at a time: what is allowed
            # beyond 1 is never used. Several workers in an environment are not built yet.
            per_execution_environment_max_concurrency=1,
            publish_to_latest_published=True,  # an environment is made for a published version
        )


def add_url(stack: cdk.Stack, function: lambda_.IFunction) -> None:
    """Put a URL before the function, whose callers sign.

    They need lambda:InvokeFunctionUrl and lambda:InvokeFunction: `function.grant_invoke_url(…)`.
    """
    url = function.add_function_url(
        auth_type=lambda_.FunctionUrlAuthType.AWS_IAM, invoke_mode=URL_INVOKE_MODE
    )
    cdk.CfnOutput(stack, "FunctionUrl", value=url.url)


VARIANTS = {
    "zip": ZipStack,
    "layer": LayerStack,
    "image": ImageStack,
    "managed-instances": ManagedInstancesStack,
    "managed-runtime": ManagedRuntimeStack,
}

app = cdk.App()
variant = app.node.get_context("variant")
VARIANTS[variant](app, f"snapboot-{variant}")
app.synth()
