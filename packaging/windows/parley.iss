; The installer for Windows, made by Inno Setup 6 of what PyInstaller froze: for this user alone, no administrator.
;   iscc /DVersion=0.1.0 packaging\windows\parley.iss
; Signing is asked for by /DSign and a sign tool called «parley», as the release workflow sets it up.
#ifndef Version
  #error Say which version: /DVersion=0.1.0
#endif

[Setup]
AppId={{6B0C6C55-6A55-4D8D-9B76-9B3C5E9F4A10}
AppName=Parley
AppVersion={#Version}
AppVerName=Parley {#Version}
AppPublisher=The Parley authors
DefaultDirName={localappdata}\Programs\Parley
DefaultGroupName=Parley
DisableProgramGroupPage=yes
DisableDirPage=auto
PrivilegesRequired=lowest
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
LicenseFile=..\..\LICENSE
SetupIconFile=..\..\build\icons\parley.ico
UninstallDisplayIcon={app}\parley.exe
SourceDir=.
OutputDir=..\..\dist
OutputBaseFilename=Parley-{#Version}-windows-x64
Compression=lzma2/ultra64
SolidCompression=yes
WizardStyle=modern
CloseApplications=yes
#ifdef Sign
SignTool=parley
SignedUninstaller=yes
#endif

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"
Name: "es"; MessagesFile: "compiler:Languages\Spanish.isl"
Name: "fr"; MessagesFile: "compiler:Languages\French.isl"
Name: "ja"; MessagesFile: "compiler:Languages\Japanese.isl"

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; GroupDescription: "{cm:AdditionalIcons}"

[InstallDelete]
; What an older version had and this one has not must not stay and be imported.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "..\..\build\frozen\parley\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs

[Icons]
Name: "{group}\Parley"; Filename: "{app}\parley.exe"; AppUserModelID: "org.parley.Parley"
Name: "{userdesktop}\Parley"; Filename: "{app}\parley.exe"; AppUserModelID: "org.parley.Parley"; Tasks: desktopicon

[Run]
Filename: "{app}\parley.exe"; Description: "{cm:LaunchProgram,Parley}"; Flags: nowait postinstall skipifsilent
Filename: "ms-settings:privacy-microphone"; Description: "Microphone: see that desktop apps may use it"; Flags: shellexec nowait postinstall skipifsilent unchecked
