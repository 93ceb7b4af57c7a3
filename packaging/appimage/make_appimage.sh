#!/usr/bin/env bash
# Makes an AppImage of the unpacked .tar.xz. appimagetool fetches its runtime itself, so this needs a network.
#   packaging/appimage/make_appimage.sh dist/parley-0.1.0-linux-x86_64.tar.xz
set -euo pipefail
archive=$(readlink -f "$1")
name=$(basename "$archive" .tar.xz)
here=$(cd "$(dirname "$0")" && pwd)
command -v appimagetool >/dev/null || { echo "appimagetool is needed; see https://appimage.github.io/appimagetool/"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/Parley.AppDir/usr/lib"
tar -xJf "$archive" -C "$folder"
mv "$folder/$name/share" "$folder/Parley.AppDir/usr/share"
mv "$folder/$name" "$folder/Parley.AppDir/usr/lib/parley"
install -m 755 "$here/AppRun" "$folder/Parley.AppDir/AppRun"
cp "$folder/Parley.AppDir/usr/share/applications/org.parley.Parley.desktop" "$folder/Parley.AppDir/"
cp "$folder/Parley.AppDir/usr/share/icons/hicolor/256x256/apps/org.parley.Parley.png" "$folder/Parley.AppDir/"
ARCH=$(uname -m) appimagetool --no-appstream "$folder/Parley.AppDir" "$(dirname "$archive")/${name/-linux/}.AppImage"
