"""PyTorch definitions of the nets in models/, layer by layer as their prototxts say: Caffe's
pooling rounds up, its convolutions have biases unless a BatchNorm follows, GoogLeNet has two more
losses. make(name) gives (module, input shape of one sample, classes)."""

import torch
from torch import nn
from torch.nn import functional as F


class WithinChannelNorm(nn.Module):
    """Caffe's LRN with norm_region WITHIN_CHANNEL: x (1 + alpha mean(x^2))^-beta."""

    def __init__(self, size, alpha, beta):
        super().__init__()
        self.alpha, self.beta = alpha, beta
        self.mean = nn.AvgPool2d(size, 1, size // 2)

    def forward(self, x):
        return x * (1 + self.alpha * self.mean(x * x)) ** -self.beta


def relu():
    return nn.ReLU(inplace=True)


def max_pool(kernel, stride, pad=0):
    return nn.MaxPool2d(kernel, stride, pad, ceil_mode=True)


def ave_pool(kernel, stride):
    return nn.AvgPool2d(kernel, stride, ceil_mode=True)


def global_pool():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def across_norm():
    return nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)


def conv_bn(c_in, c_out, kernel, stride=1, groups=1):
    conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(c_out)]


def bn_relu(channels):
    return [nn.BatchNorm2d(channels), relu()]


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), max_pool(2, 2), nn.Conv2d(20, 50, 5), max_pool(2, 2), nn.Flatten(),
        nn.Linear(800, 500), relu(), nn.Linear(500, 10))


def cifar10_full():
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), max_pool(3, 2), relu(), WithinChannelNorm(3, 5e-5, 0.75),
        nn.Conv2d(32, 32, 5, padding=2), relu(), ave_pool(3, 2), WithinChannelNorm(3, 5e-5, 0.75),
        nn.Conv2d(32, 64, 5, padding=2), relu(), ave_pool(3, 2), nn.Flatten(),
        nn.Linear(1024, 10))


def caffenet():
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), relu(), max_pool(3, 2), across_norm(),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), relu(), max_pool(3, 2), across_norm(),
        nn.Conv2d(256, 384, 3, padding=1), relu(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), relu(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), relu(), max_pool(3, 2), nn.Flatten(),
        nn.Linear(9216, 4096), relu(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), relu(), nn.Dropout(0.5), nn.Linear(4096, 1000))


class Branches(nn.Module):
    """The branches' outputs one after another along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def conv_relu(c_in, c_out, kernel, stride=1, pad=0):
    return nn.Sequential(nn.Conv2d(c_in, c_out, kernel, stride, pad), relu())


def inception(c_in, c1, r3, c3, r5, c5, pool):
    return Branches(
        conv_relu(c_in, c1, 1),
        nn.Sequential(conv_relu(c_in, r3, 1), conv_relu(r3, c3, 3, pad=1)),
        nn.Sequential(conv_relu(c_in, r5, 1), conv_relu(r5, c5, 5, pad=2)),
        nn.Sequential(max_pool(3, 1, 1), conv_relu(c_in, pool, 1)))


class GoogLeNet(nn.Module):
    """In training a list of three scores: the auxiliary ones first."""

    def __init__(self):
        super().__init__()
        self.below_4b = nn.Sequential(
            conv_relu(3, 64, 7, 2, 3), max_pool(3, 2), across_norm(), conv_relu(64, 64, 1),
            conv_relu(64, 192, 3, pad=1), across_norm(), max_pool(3, 2),
            inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64),
            max_pool(3, 2), inception(480, 192, 96, 208, 16, 48, 64))
        self.below_4e = nn.Sequential(
            inception(512, 160, 112, 224, 24, 64, 64), inception(512, 128, 128, 256, 24, 64, 64),
            inception(512, 112, 144, 288, 32, 64, 64))
        self.head = nn.Sequential(
            inception(528, 256, 160, 320, 32, 128, 128), max_pool(3, 2),
            inception(832, 256, 160, 320, 32, 128, 128),
            inception(832, 384, 192, 384, 48, 128, 128), nn.AvgPool2d(7, 1), nn.Dropout(0.4, True),
            nn.Flatten(), nn.Linear(1024, 1000))
        self.aux1, self.aux2 = self.auxiliary(512), self.auxiliary(528)

    @staticmethod
    def auxiliary(channels):
        return nn.Sequential(
            ave_pool(5, 3), conv_relu(channels, 128, 1), nn.Flatten(), nn.Linear(2048, 1024),
            relu(), nn.Dropout(0.7), nn.Linear(1024, 1000))

    def forward(self, x):
        a = self.below_4b(x)
        b = self.below_4e(a)
        scores = self.head(b)
        return [self.aux1(a), self.aux2(b), scores] if self.training else scores


def squeezenet():
    def fire(c_in, squeeze, expand):
        return nn.Sequential(
            conv_relu(c_in, squeeze, 1),
            Branches(conv_relu(squeeze, expand, 1), conv_relu(squeeze, expand, 3, pad=1)))

    return nn.Sequential(
        conv_relu(3, 64, 3, 2), max_pool(3, 2), fire(64, 16, 64), fire(128, 16, 64),
        max_pool(3, 2), fire(128, 32, 128), fire(256, 32, 128), max_pool(3, 2),
        fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), fire(512, 64, 256),
        nn.Dropout(0.5, True), conv_relu(512, 1000, 1), global_pool())


def mobilenet():
    layers = [*conv_bn(3, 32, 3, 2), relu()]
    c_in = 32
    for c_out, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
                          (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)]:
        layers += [*conv_bn(c_in, c_in, 3, stride, c_in), relu(), *conv_bn(c_in, c_out, 1), relu()]
        c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Conv2d(1024, 1000, 1), nn.Flatten())


class Residual(nn.Module):
    def __init__(self, branch, skip):
        super().__init__()
        self.branch, self.skip = branch, skip

    def forward(self, x):
        return F.relu_(self.branch(x) + self.skip(x))


def resnet(counts, bottleneck):
    layers = [*conv_bn(3, 64, 7, 2), relu(), max_pool(3, 2)]
    c_in = 64
    for stage, count in enumerate(counts):
        width = 64 << stage
        c_out = width * 4 if bottleneck else width
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                branch = [*conv_bn(c_in, width, 1), relu(), *conv_bn(width, width, 3, stride),
                          relu(), *conv_bn(width, c_out, 1)]
            else:
                branch = [*conv_bn(c_in, width, 3, stride), relu(), *conv_bn(width, c_out, 3)]
            same = c_in == c_out and stride == 1
            skip = nn.Identity() if same else nn.Sequential(*conv_bn(c_in, c_out, 1, stride))
            layers.append(Residual(nn.Sequential(*branch), skip))
            c_in = c_out
    return nn.Sequential(*layers, global_pool(), nn.Linear(c_in, 1000))


def vgg16():
    layers, c_in = [], 3
    for c_out, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(count):
            layers.append(conv_relu(c_in, c_out, 3, pad=1))
            c_in = c_out
        layers.append(max_pool(2, 2))
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(25088, 4096), relu(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), relu(), nn.Dropout(0.5), nn.Linear(4096, 1000))


def densenet121():
    class Dense(nn.Module):
        def __init__(self, c_in):
            super().__init__()
            self.branch = nn.Sequential(
                *bn_relu(c_in), *conv_bn(c_in, 128, 1), relu(),
                nn.Conv2d(128, 32, 3, padding=1, bias=False))

        def forward(self, x):
            return torch.cat([x, self.branch(x)], 1)

    layers, channels = [*conv_bn(3, 64, 7, 2), relu(), max_pool(3, 2)], 64
    for stage, count in enumerate((6, 12, 24, 16)):
        for _ in range(count):
            layers.append(Dense(channels))
            channels += 32
        layers += bn_relu(channels)
        if stage < 3:
            layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), ave_pool(2, 2)]
            channels //= 2
    return nn.Sequential(*layers, global_pool(), nn.Linear(channels, 1000))


NETS = {
    "lenet": (lenet, (1, 28, 28), 10),
    "cifar10_full": (cifar10_full, (3, 32, 32), 10),
    "caffenet": (caffenet, (3, 227, 227), 1000),
    "googlenet": (GoogLeNet, (3, 224, 224), 1000),
    "squeezenet": (squeezenet, (3, 227, 227), 1000),
    "mobilenet": (mobilenet, (3, 224, 224), 1000),
    "resnet50": (lambda: resnet((3, 4, 6, 3), True), (3, 224, 224), 1000),
    "vgg16": (vgg16, (3, 224, 224), 1000),
    "resnet18": (lambda: resnet((2, 2, 2, 2), False), (3, 224, 224), 1000),
    "densenet121": (densenet121, (3, 224, 224), 1000),
}


def make(name):
    build, shape, classes = NETS[name]
    return build(), shape, classes
