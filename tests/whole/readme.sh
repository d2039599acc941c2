#!/usr/bin/env bash
# Runs every command of README.md's ```sh blocks, in order, in a copy of the tree.
#   readme.sh SOURCE_DIR CREMA_BINARY          but those on MNIST, which is not in the tree
#   readme.sh SOURCE_DIR CREMA_BINARY mnist    those, where ../shared/data has it
set -euo pipefail
source_dir=$1 binary=$2 part=${3:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/tests/config"
cp -r "$source_dir"/{README.md,configs,models} "$scratch"
cp -r "$source_dir/tests/config/good" "$scratch/tests/config"
mkdir -p "$scratch/build" && ln -s "$binary" "$scratch/build/crema"
if [ "$part" = mnist ]; then
  [ -d "$source_dir/../shared/data/mnist" ] || { echo "skipped: no ../shared/data (README on MNIST)"; exit 0; }
  mkdir -p "$scratch/data" && ln -s "$(realpath "$source_dir/../shared/data/mnist")" "$scratch/data/mnist"
fi
cd "$scratch"
awk '/^```sh$/ {on = 1; next} /^```$/ {on = 0} on' README.md > commands
[ "$(grep -c '^build/crema\|^  build/crema' commands)" -ge 10 ] || { echo "README lost its commands"; exit 1; }
if [ "$part" = mnist ]; then
  sed -i '/mnist/!d' commands
  [ "$(wc -l < commands)" -ge 2 ] || { echo "README lost its commands on MNIST"; exit 1; }
else
  sed -i '/mnist/d' commands
fi
# Every file a command or a sentence names exists.
grep -oE '(configs|models)/[a-z0-9_/]+(\.prototxt)?' README.md | sort -u | while read -r path; do
  [ -e "$path" ] || { echo "README names $path, which does not exist"; exit 1; }
done
bash -euxo pipefail commands > log 2>&1 || { tail -40 log; exit 1; }
echo "$(wc -l < commands) lines of README ran"
