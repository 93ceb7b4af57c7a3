#!/usr/bin/env bash
# Signs Parley.app, puts it into a disk image, has Apple notarise it. Run on macOS after `dev.py build app`.
#   PARLEY_SIGN_IDENTITY    «Developer ID Application: …»; without it the app is signed ad hoc, for this Mac alone
#   PARLEY_NOTARY_PROFILE   credentials kept by `xcrun notarytool store-credentials`; without it nothing is notarised
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' desktop_app/__init__.py)
app=build/frozen/Parley.app
image=dist/Parley-$version-macos-$(uname -m).dmg
identity=${PARLEY_SIGN_IDENTITY:--}
entitlements=packaging/macos/entitlements.plist

stamp=()
[ "$identity" = - ] || stamp=(--timestamp)
# Licences and models are written into the bundle after PyInstaller signed it, so the seal is made anew: inside first.
find "$app/Contents" -type f \( -name '*.dylib' -o -name '*.so' \) -print0 |
    xargs -0 codesign --force --options runtime "${stamp[@]}" --sign "$identity"
codesign --force --options runtime "${stamp[@]}" --entitlements "$entitlements" --sign "$identity" "$app"
codesign --verify --deep --strict "$app"

mkdir -p dist
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ditto "$app" "$folder/Parley.app"
ln -s /Applications "$folder/Applications"
rm -f "$image"
hdiutil create -volname "Parley $version" -srcfolder "$folder" -format ULFO "$image"
[ "$identity" = - ] || codesign --sign "$identity" "${stamp[@]}" "$image"

if [ -n "${PARLEY_NOTARY_PROFILE:-}" ]; then
    xcrun notarytool submit "$image" --keychain-profile "$PARLEY_NOTARY_PROFILE" --wait
    xcrun stapler staple "$image"
    spctl --assess --type open --context context:primary-signature "$image"
else
    echo "Not notarised: PARLEY_NOTARY_PROFILE is not set."
fi
shasum -a 256 "$image"
