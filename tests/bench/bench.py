#!/usr/bin/env python3
"""crema against PyTorch on the nets of models/: milliseconds per training step (forward, backward,
update by SGD with momentum) and per inference, and peak memory.

Every measurement is a process of its own with a warm-up. The rounds are interleaved: each round
measures every subject once, so that a drifting machine drifts for all. Reported are medians over
the rounds of each process's median, minima of all iterations, and geometric means of the ratios to
PyTorch's best setting (of NCHW and channels_last, of every PyTorch there is), for time and memory
each."""

import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEBIAN_PYTHON = "/usr/bin/python3"  # where python3-torch is

# Net, batch, iterations of a measurement.
NETS = {
    "lenet": (64, 100),
    "cifar10_full": (100, 30),
    "caffenet": (32, 4),
    "googlenet": (16, 4),
    "squeezenet": (16, 6),
    "mobilenet": (8, 8),
    "resnet50": (8, 4),
    "vgg16": (8, 3),
    "resnet18": (16, 4),
    "densenet121": (8, 3),
}
SEVEN = list(NETS)[:7]
BATCHES = [8, 16, 32, 64]
BATCH_NET = "resnet18"
SCALING_ROUNDS = 7  # at least: it is crema alone
THREAD_NETS = ["caffenet", "googlenet", "resnet50"]


class Failure(Exception):
    pass


# What a step consists of, by kinds of op; the rest is under the last but one.
PARTS = {
    "products": ("convolution", "inner_product", "deconvolution"),
    "normalisation": ("batch_norm", "scale", "bias", "lrn"),
    "pooling": ("pooling",),
    "other ops": (),
    "update": (),
}


class Crema:
    def __init__(self, program, threads=None):
        self.program, self.threads = program, threads  # None: as many as asked for
        self.name = f"crema, {threads} thread" if threads else "crema"

    def measure(self, net, batch, iterations, mode, threads):
        threads = self.threads or threads
        file = "train_val" if mode == "train" else "deploy"
        command = [self.program, "time", "--synthetic", "--format=json", "--log=progress",
                   f"--batch={batch}", f"--iterations={iterations}", f"--threads={threads}",
                   f"--model={ROOT}/models/{net}/{file}.prototxt",
                   f"--phase={'TRAIN' if mode == 'train' else 'TEST'}"]
        report = json.loads(output_of(command))
        wanted = "iteration" if mode == "train" else "forward"
        total = next(row for row in report["totals"] if row["pass"] == wanted)
        return {"median": total["ms"], "min": total["min_ms"], "parts": parts_of(report),
                "peak_resident": report["memory"]["peak_resident"],
                "limit": total["flops"] * 1e-6 / report["machine"]["gflops"]}


def parts_of(report):
    """Milliseconds by PARTS."""
    out = dict.fromkeys(PARTS, 0.0)
    for op in report["ops"]:
        kind = op["kind"].split()[0].removeprefix("fused_")
        part = next((name for name, kinds in PARTS.items() if kind in kinds), "other ops")
        out[part] += op["ms"]
    out["update"] = sum(row["ms"] for row in report["totals"] if row["pass"] == "update")
    return out


class Torch:
    def __init__(self, python, layout, version, counts):
        self.python, self.layout, self.counts = python, layout, counts
        self.name = f"PyTorch {version.split('+')[0]} {layout}"

    def measure(self, net, batch, iterations, mode, threads):
        command = [self.python, str(HERE / "torch_worker.py"), f"--net={net}", f"--batch={batch}",
                   f"--iterations={iterations}", f"--mode={mode}", f"--layout={self.layout}",
                   f"--threads={threads}"]
        result = json.loads(output_of(command, torch_environment(threads)))
        wanted = self.counts[net][0 if mode == "train" else 1]
        if result["parameters"] != wanted:
            raise Failure(f"{net} in PyTorch has {result['parameters']} parameters, not {wanted}")
        return {"median": statistics.median(result["ms"]), "min": min(result["ms"]),
                "peak_resident": result["peak_resident"]}


def output_of(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        raise Failure(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def torch_environment(threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    # As crema does for itself: Debian's OpenBLAS takes slow kernels on processors newer than it.
    if "avx512dq" in pathlib.Path("/proc/cpuinfo").read_text():
        environment.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    return environment


def published_counts():
    """Parameters per net of train_val and deploy, from the table that the tests hold models/ to."""
    counts = {}
    for line in (ROOT / "tests/train/models.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            net, train, deploy = line.split("\t")[:3]
            counts[net] = (int(train), int(deploy))
    return counts


def torch_subjects(pythons):
    counts, subjects = published_counts(), []
    for python in pythons:
        try:
            version = output_of([python, "-c", "import torch; print(torch.__version__)"]).strip()
        except (Failure, OSError):
            print(f"skipped: {python} has no PyTorch", file=sys.stderr)
            continue
        subjects += [Torch(python, layout, version, counts) for layout in ("nchw", "nhwc")]
    return subjects


def summary(runs):
    """What one subject did in all rounds."""
    out = {"median": statistics.median(run["median"] for run in runs),
           "min": min(run["min"] for run in runs),
           "peak_resident": statistics.median(run["peak_resident"] for run in runs),
           "rounds": [run["median"] for run in runs]}
    if "limit" in runs[0]:  # the best measurement of the machine's rate
        out["limit"] = min(run["limit"] for run in runs)
        out["parts"] = min(runs, key=lambda run: run["median"])["parts"]
    return out


def measure_all(cases, subjects, rounds, threads, progress, failures):
    """cases: (net, batch, iterations, mode). Returns {case: {subject name: summary}}, without those
    that failed every time; what failed is added to `failures`."""
    runs = {case: {subject.name: [] for subject in subjects} for case in cases}
    for number in range(rounds):
        for case in cases:
            net, batch, iterations, mode = case
            # Nobody always comes first.
            turn = number % len(subjects)
            for subject in subjects[turn:] + subjects[:turn]:
                progress(f"round {number + 1}/{rounds}: {mode} {net} {batch}: {subject.name}")
                try:
                    runs[case][subject.name].append(
                        subject.measure(net, batch, iterations, mode, threads))
                except Failure as failure:  # the rest is worth measuring all the same
                    failures.append(f"{mode} {net} {batch}: {subject.name}: {failure}")
    return {case: {name: summary(list_) for name, list_ in by_name.items() if list_}
            for case, by_name in runs.items()}


def geometric_mean(values):
    values = list(values)
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else float("nan")


def best_of(by_name):
    """The best of PyTorch's settings in time and in memory, each for itself, or None."""
    others = [measured for name, measured in by_name.items() if name != "crema"]
    return {key: min(measured[key] for measured in others)
            for key in ("median", "peak_resident")} if others else None


def mebi(size):
    return size / 1048576


def cell(measured):
    return f"{measured['median']:.1f} ({measured['min']:.1f})" if measured else "failed"


def table(mode, results, subjects):
    """The table of one mode as text, and its geometric means."""
    names = [subject.name for subject in subjects]
    lines = [f"{'Training' if mode == 'train' else 'Inference'}: ms, median (minimum); limit = ms at "
             "the measured rate of multiply-adds; peak resident MiB",
             "net, batch".ljust(18) + "".join(name.rjust(22) for name in names) +
             f"{'ratio':>8}{'limit':>8}{'MiB':>8}{'PyTorch':>9}{'share':>7}"]
    ratios, shares = {}, {}
    for (net, batch, _, case_mode), by_name in results.items():
        if case_mode != mode:
            continue
        line = f"{net} {batch}".ljust(18)
        line += "".join(cell(by_name.get(name)).rjust(22) for name in names)
        mine, best = by_name.get("crema"), best_of(by_name)
        if mine and best:
            ratios[net] = best["median"] / mine["median"]
            shares[net] = mine["peak_resident"] / best["peak_resident"]
        line += f"{ratios[net]:8.2f}" if net in ratios else f"{'-':>8}"
        if mine:
            line += f"{mine['limit']:8.1f}{mebi(mine['peak_resident']):8.0f}"
        if net in ratios:
            line += f"{mebi(best['peak_resident']):9.0f}{shares[net]:7.2f}"
        lines.append(line)
    means = {}
    for label, nets in (("the seven nets", SEVEN), ("all ten", list(NETS))):
        if all(net in ratios for net in nets):
            means[label] = {"ratio": geometric_mean(ratios[net] for net in nets),
                            "least_ratio": min(ratios[net] for net in nets),
                            "memory": geometric_mean(shares[net] for net in nets),
                            "most_memory": max(shares[net] for net in nets)}
            lines.append("geometric means of {}: ratio {ratio:.2f} (least {least_ratio:.2f}), memory "
                         "{memory:.2f} (most {most_memory:.2f})".format(label, **means[label]))
    return "\n".join(lines), means


def where(results):
    """Where crema's training steps go, of the fastest round each: what products take, and the rest."""
    lines = ["Where a step goes, ms: limit of its multiply-adds, then what it takes",
             "net, batch".ljust(18) + f"{'limit':>14}" + "".join(part.rjust(14) for part in PARTS)]
    for (net, batch, _, mode), by_name in results.items():
        if mode != "train" or "crema" not in by_name:
            continue
        mine = by_name["crema"]
        lines.append(f"{net} {batch}".ljust(18) + f"{mine['limit']:14.1f}" +
                     "".join(f"{mine['parts'][part]:14.1f}" for part in PARTS))
    return "\n".join(lines)


def scaling(crema, rounds, threads, progress, failures):
    """crema alone: growing batches, and one thread against all."""
    lines, out = [], {"ms_per_image": {}, "thread_gain": {}}
    cases = [(BATCH_NET, batch, max(2, 64 // batch), "train") for batch in BATCHES]
    measured = measure_all(cases, [crema], rounds, threads, progress, failures)
    for (_, batch, _, _), by_name in measured.items():
        if by_name:
            out["ms_per_image"][batch] = by_name["crema"]["median"] / batch
    flat = next(iter(out["ms_per_image"].values()), 1)
    lines.append(f"{BATCH_NET}, ms per image: " + ", ".join(
        f"batch {b}: {ms:.2f} ({ms / flat:.2f})" for b, ms in out["ms_per_image"].items()))
    cases = [(net, *NETS[net], "train") for net in THREAD_NETS]
    single = Crema(crema.program, 1)
    for case, by_name in measure_all(cases, [single, crema], rounds, threads, progress,
                                     failures).items():
        if single.name in by_name and crema.name in by_name:
            out["thread_gain"][case[0]] = {
                key: by_name[single.name][key] / by_name[crema.name][key]
                for key in ("median", "min")}
    lines.append(f"1 -> {threads} threads, as fast: " + ", ".join(
        f"{net} {gain['median']:.2f} (minima {gain['min']:.2f})"
        for net, gain in out["thread_gain"].items()))
    return "\n".join(lines), out


def machine():
    name = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(": ", 1)[1]
            break
    return name


def revision():
    done = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default="", help="comma list; default: all ten")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--modes", default="train,infer", help="train, infer or both")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--python", action="append", default=[],
                        help="a further python with PyTorch (may be repeated)")
    parser.add_argument("--no-scaling", action="store_true",
                        help="leave out batch and thread scaling")
    parser.add_argument("--smoke", action="store_true",
                        help="half a minute: that everything functions, no figures to quote")
    parser.add_argument("--json", default="", help="write everything that was measured here")
    parser.add_argument("--crema", default=str(ROOT / "build/crema"), help="the program")
    args = parser.parse_args()
    args.nets = [n for n in args.nets.split(",") if n] or list(NETS)
    args.modes = args.modes.split(",")
    for net in args.nets:
        if net not in NETS:
            parser.error(f"unknown net '{net}'; known: {', '.join(NETS)}")
    if not set(args.modes) <= {"train", "infer"}:
        parser.error("--modes takes train, infer or train,infer")
    if args.rounds < 1 or args.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    if not os.access(args.crema, os.X_OK):
        parser.error(f"there is no program '{args.crema}'; ./run build makes it")
    return args


def main():
    args = arguments()

    def progress(text):
        print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr,
              end="" if sys.stderr.isatty() else "\n", flush=True)

    crema = Crema(args.crema)
    cases = [(net, *NETS[net], mode) for mode in args.modes for net in args.nets]
    rounds = args.rounds
    if args.smoke:
        cases = [("lenet", 8, 3, "train"), ("lenet", 8, 3, "infer"), ("squeezenet", 1, 2, "train")]
        rounds = 1
    subjects = [crema] + torch_subjects([DEBIAN_PYTHON] + args.python)
    result = {"date": datetime.date.today().isoformat(), "machine": machine(),
              "threads": args.threads, "rounds": rounds, "revision": revision(),
              "subjects": [subject.name for subject in subjects], "cases": [], "means": {}}
    print(f"{result['machine']}, {args.threads} threads, {result['date']}, crema "
          f"{result['revision']}, {rounds} rounds")
    failures = []
    results = measure_all(cases, subjects, rounds, args.threads, progress, failures)
    progress("")
    for (net, batch, iterations, mode), by_name in results.items():
        result["cases"].append({"net": net, "batch": batch, "iterations": iterations,
                                "mode": mode, "subjects": by_name})
    for mode in ("train", "infer"):
        if any(case[3] == mode for case in cases):
            text, result["means"][mode] = table(mode, results, subjects)
            print(text + "\n")
    if "train" in args.modes:
        print(where(results) + "\n")
    if not args.smoke and not args.no_scaling:
        text, result["scaling"] = scaling(crema, max(rounds, SCALING_ROUNDS), args.threads,
                                          progress, failures)
        print(text)
    result["failures"] = failures
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(result, indent=2) + "\n")
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
