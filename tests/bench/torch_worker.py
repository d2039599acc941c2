"""One measurement of PyTorch in a process of its own; prints one line of JSON:
the milliseconds of each iteration, the peak resident memory, the number of parameters."""

import argparse
import json
import time

import torch
from torch.nn import functional as F

import torch_nets

WARM_UP = 3


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", required=True, choices=torch_nets.NETS)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--mode", choices=("train", "infer"), required=True)
    parser.add_argument("--layout", choices=("nchw", "nhwc"), required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def peak_resident():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def training_step(net, x, labels):
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-9, momentum=0.9, weight_decay=0.0005)

    def step():
        optimizer.zero_grad(set_to_none=True)
        scores = net(x)
        if isinstance(scores, list):  # auxiliary losses count 0.3
            *others, last = scores
            loss = F.cross_entropy(last, labels)
            loss = loss + 0.3 * sum(F.cross_entropy(other, labels) for other in others)
        else:
            loss = F.cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()

    return step


def inference_step(net, x):
    net.eval()
    for name in ("aux1", "aux2"):  # GoogLeNet's other heads are for training only
        if hasattr(net, name):
            delattr(net, name)

    def step():
        with torch.inference_mode():
            F.softmax(net(x), 1)

    return step


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    net, shape, classes = torch_nets.make(args.net)
    x = torch.randn(args.batch, *shape)
    labels = torch.randint(classes, (args.batch,))
    if args.layout == "nhwc":
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    step = training_step(net, x, labels) if args.mode == "train" else inference_step(net, x)
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(args.iterations):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({
        "ms": times,
        "peak_resident": peak_resident(),
        "parameters": sum(p.numel() for p in net.parameters()),
        "version": torch.__version__,
    }))


main()
