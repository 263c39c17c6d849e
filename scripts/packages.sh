# Sourced by the other scripts: installs what the build needs on Debian and Ubuntu, and says what to
# install elsewhere. Does nothing when all is there, so that it costs nothing to run again.
ingot_packages="build-essential cmake ninja-build pkg-config ccache libhdf5-dev libdnnl-dev
  libjansson-dev libfyaml-dev libarchive-dev libturbojpeg0-dev libpng-dev zlib1g-dev libxxhash-dev libsodium-dev libpcre2-dev
  libopenmpi-dev openmpi-bin"
ingot_test_packages="libcmocka-dev clang libclang-rt-14-dev hdf5-tools iproute2 libonnx-testdata
  protobuf-c-compiler libprotobuf-c-dev libonnx-dev"

# need_packages NAME...: installs those that are missing.
need_packages() {
  if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This machine is not a Debian or Ubuntu: install the equivalents of" >&2
    echo "  $*" >&2
    echo "and build with: cmake --preset release && cmake --build --preset release" >&2
    command -v cmake >/dev/null 2>&1 && command -v ninja >/dev/null 2>&1 || exit 3
    return 0
  fi
  missing=""
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -q '^installed' ||
      missing="$missing $name"
  done
  [ -z "$missing" ] && return 0
  as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "Missing packages, and neither root nor sudo to install them; run as root:" >&2
      echo "  apt-get install$missing" >&2
      exit 3
    fi
    as_root=sudo
  fi
  echo "Installing:$missing"
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null || { echo "apt-get could not install:$missing" >&2; exit 3; }
}
