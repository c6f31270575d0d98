#!/bin/sh
# Installs a build below a folder of its own and uses it from outside the tree, with
# pkg-config and with CMake. Last line: `N passed, N failed`.
#
#   run.sh BUILD-DIR WORK-DIR COMPILER
set -u

build=$1 work=$2 cc=$3
project=$(cd "$(dirname "$0")" && pwd)/project
source=$(cd "$(dirname "$0")/../.." && pwd)
stage=$work/stage
prefix=/opt/spawned
passed=0 failed=0

# check NAME COMMAND...: one case; what the command says is shown if it fails.
check() {
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        cat "$work/log"
    fi
}

installs() {
    DESTDIR=$stage cmake --install "$build" --prefix $prefix
}

has_all_headers() {
    diff -r "$source/include/spawned" "$stage$prefix/include/spawned"
}

has_man_pages() {
    for page in "$source"/man/*.1; do
        [ -e "$page" ] || continue
        cmp "$page" "$stage$prefix/share/man/man1/${page##*/}" || return 1
    done
}

# Only a build that has the command installs it.
has_the_command() {
    "$stage$prefix/bin/spawned" --version && bash -n "$stage$prefix/share/bash-completion/completions/spawned" &&
        [ -s "$stage$prefix/share/zsh/site-functions/_spawned" ] &&
        [ -s "$stage$prefix/share/fish/vendor_completions.d/spawned.fish" ]
}

names_no_build_path() {
    ! grep -rlE "$source|$build|$stage" "$stage$prefix" --include='*.pc' --include='*.cmake' \
        --include='*.h'
}

greets() {
    [ "$(LD_LIBRARY_PATH=$libdir timeout 60 "$1")" = "hello from a process" ]
}

compiles_with_pkg_config() {
    # shellcheck disable=SC2046 # lists of options
    $cc -std=c17 -Wall -Wextra -Werror $(pkg-config --cflags spawned) "$project/main.c" \
        -o "$work/with_pkg_config" $(pkg-config --libs spawned) && greets "$work/with_pkg_config"
}

compiles_with_archive() {
    # shellcheck disable=SC2046 # lists of options
    $cc -std=c17 -Wall -Wextra -Werror $(pkg-config --cflags spawned) "$project/main.c" \
        -o "$work/with_archive" "$libdir/libspawned.a" -pthread && greets "$work/with_archive" &&
        objdump -h "$work/with_archive" | grep -q ' sp_text '
}

compiles_with_http() {
    # shellcheck disable=SC2046 # lists of options
    $cc -std=c17 -Wall -Wextra -Werror $(pkg-config --cflags spawned-http) \
        "$source/examples/dashboard.c" -o "$work/with_http" $(pkg-config --libs spawned-http)
}

# passes_in_simulation PROGRAM: all schedules of its test pass.
passes_in_simulation() {
    (cd "$work" && timeout 120 "$1" --runs 200)
}

compiles_simulated() {
    # shellcheck disable=SC2046 # lists of options
    $cc -std=c17 -Wall -Wextra -Werror $(pkg-config --cflags spawned-sim) "$project/simulated.c" \
        -o "$work/simulated" $(pkg-config --libs spawned-sim) &&
        passes_in_simulation "$work/simulated"
}

# A configured tree of which only the libraries are built, and then one of which nothing is.
installs_what_is_built() {
    cmake -S "$source" -B "$work/part" -G Ninja -DCMAKE_C_COMPILER="$cc" -DSPAWNED_BUILD_TESTS=OFF &&
        ! DESTDIR=$work/part-stage cmake --install "$work/part" >"$work/refusal" 2>&1 &&
        grep -q "target libraries" "$work/refusal" &&
        cmake --build "$work/part" --target libraries &&
        DESTDIR=$work/part-stage cmake --install "$work/part" --prefix $prefix
}

builds_with_cmake() {
    cmake -S "$project" -B "$work/project" -G Ninja -DCMAKE_C_COMPILER="$cc" \
        -DCMAKE_PREFIX_PATH="$stage$prefix" && cmake --build "$work/project" &&
        greets "$work/project/greeting" &&
        { [ ! -e "$work/project/greeting_shared" ] || greets "$work/project/greeting_shared"; } &&
        passes_in_simulation "$work/project/simulated"
}

refuses_other_version() {
    sed 's/Spawned 0.1/Spawned 99.0/' "$project/CMakeLists.txt" >"$work/other/CMakeLists.txt"
    ! cmake -S "$work/other" -B "$work/other/build" -G Ninja -DCMAKE_PREFIX_PATH="$stage$prefix"
}

rm -rf "$work"
mkdir -p "$work/other"
cp "$project/main.c" "$work/other"
check "installs below DESTDIR" installs
pc=$(find "$stage" -name spawned.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$libdir/pkgconfig"
check "installs every public header" has_all_headers
check "installs the man pages" has_man_pages
[ ! -e "$build/bin/spawned" ] || check "installs the command and its completions" has_the_command
check "installed files name no path of the build" names_no_build_path
check "pkg-config knows the library" pkg-config --exists spawned
check "a program builds and runs with pkg-config" compiles_with_pkg_config
check "a program builds and runs with the archive, code in sp_text" compiles_with_archive
[ ! -e "$libdir/pkgconfig/spawned-http.pc" ] ||
    check "a program builds with pkg-config and the HTTP endpoint" compiles_with_http
check "pkg-config knows the simulator" pkg-config --exists spawned-sim
check "a simulated test builds and runs with pkg-config" compiles_simulated
check "a build of the libraries alone installs, one of nothing says what to do" installs_what_is_built
check "a CMake project builds and runs" builds_with_cmake
check "a CMake project that wants another version is refused" refuses_other_version
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
