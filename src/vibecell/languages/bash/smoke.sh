set -euo pipefail
mkdir -p folder
printf 'a\nb\nc\n' | sort -r | tr -d '\n' > folder/letters
printf 'bash %d %s\n' "$((6 * 7))" "$(sed 's/x/y/' folder/letters)"
