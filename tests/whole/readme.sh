#!/usr/bin/env bash
# Runs every command of README.md's ```sh blocks, in order, in a copy of the tree.
#   readme.sh SOURCE_DIR CREMA_BINARY
# Commands on data sets that are not in the tree run where ../shared/data has them.
set -euo pipefail
source_dir=$1 binary=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/tests/config"
cp -r "$source_dir"/{README.md,configs,models} "$scratch"
cp -r "$source_dir/tests/config/good" "$scratch/tests/config"
mkdir -p "$scratch/build" && ln -s "$binary" "$scratch/build/crema"
have_mnist=no
if [ -d "$source_dir/../shared/data/mnist" ]; then
  mkdir -p "$scratch/data" && ln -s "$(realpath "$source_dir/../shared/data/mnist")" "$scratch/data/mnist"
  have_mnist=yes
fi
cd "$scratch"
awk '/^```sh$/ {on = 1; next} /^```$/ {on = 0} on' README.md > commands
[ "$(grep -c '^build/crema\|^  build/crema' commands)" -ge 10 ] || { echo "README lost its commands"; exit 1; }
if [ $have_mnist = no ]; then
  echo "skipped: no ../shared/data (commands on MNIST)"
  sed -i '/mnist/d' commands
fi
# Every file a command or a sentence names exists.
grep -oE '(configs|models)/[a-z0-9_/]+(\.prototxt)?' README.md | sort -u | while read -r path; do
  [ -e "$path" ] || { echo "README names $path, which does not exist"; exit 1; }
done
bash -euxo pipefail commands > log 2>&1 || { tail -40 log; exit 1; }
echo "all commands of the README ran"
