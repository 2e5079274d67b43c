#!/usr/bin/env bash
# Checks and times everything that needs a GPU, in one go.
#
#     benchmarks/gpu.sh OUT [--device cpu] [--wheels FOLDER]
#
# Writes OUT/gpu.json, OUT/gpu.log. --wheels installs the packages of a folder beside those of
# python3 first, for a machine without a network; PYTHON names another interpreter. --device cpu
# rehearses all of it with small sizes. It takes eight minutes on an H100.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
out=${1:?usage: benchmarks/gpu.sh OUT [--device cpu] [--wheels FOLDER]}
shift
device=cuda wheels=
while [ $# -gt 0 ]; do
    case $1 in
    --device) device=$2 ;;
    --wheels) wheels=$2 ;;
    *) echo "error: $1 is not an option" >&2; exit 2 ;;
    esac
    shift 2
done
python=${PYTHON:-python3}
mkdir -p "$out"
rm -f "$out/gpu.json"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore
if [ -n "$wheels" ]; then
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl || exit 2
    export PYTHONPATH="$site:$PYTHONPATH"
fi

run() {
    echo "+ $* ($SECONDS s)"
    timeout 150 "$@" || echo "FAILED ($?): $*"
}
benchmark() { run "$python" -m "benchmarks.$1" --device "$device" --json "$out/gpu.json" "${@:2}"; }

main() {
    # the tests that a machine without a GPU skips
    run "$python" -m pytest -q -p no:cacheprovider -k "gpu or synchronise" \
        tests/models/targets tests/models/hosts
    benchmark operators
    if [ "$device" = cuda ]; then
        small=() turns=() few=(--turns 5) compiled=("mixed precision, compiled heads")
        steps=(25 --block 5) batch=16
    else
        small=(--size 96 128) turns=(--turns 1) few=(--turns 1) compiled=()
        steps=(2 --block 1 --images 4) batch=1
    fi
    benchmark mask_iou_targets
    benchmark mask_targets
    benchmark masks_to_results "${turns[@]}"
    benchmark detector_steps --batch 2 "${small[@]}" "${turns[@]}"
    benchmark switches --batch $batch "${small[@]}" "${few[@]}" --switches channels-last \
        "mixed precision" "mixed precision, channels-last" "${compiled[@]}"
    benchmark detector_steps --batch $batch "${small[@]}" "${turns[@]}" --amp
    benchmark training --batch $batch --steps "${steps[@]}" "${small[@]}" --amp
    benchmark fast_mask_iou
    benchmark training --batch $batch --steps "${steps[@]}" "${small[@]}"
    echo "$SECONDS s"
}
main 2>&1 | tee "$out/gpu.log"
! grep -q '^FAILED' "$out/gpu.log"
