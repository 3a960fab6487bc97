#!/bin/sh
# A plug-in of wsar collect in shell: how many files wait in a folder, how many bytes they are, and how many came by.
#
#   wsar --exec './spool-folder.sh /var/spool/mqueue'
#
# wsar writes a line `tick <ms>` to our stdin shortly before each row; we answer with values and `commit`. When stdin
# ends, wsar is gone, and so are we.

folder=${1:?name the folder to watch}
seen=0
last=''

echo 'wsar-plugin 1'
echo 'metric files.waiting gauge {file} files that wait in the folder'
echo 'metric bytes.waiting gauge By their bytes'
echo 'metric files.seen counter {file} files that were new at a tick'

while read -r _; do
  files=0
  bytes=0
  now=' '
  for file in "$folder"/*; do
    [ -f "$file" ] && [ -r "$file" ] || continue
    files=$((files + 1))
    bytes=$((bytes + $(wc -c < "$file")))
    now="$now${file##*/} "
    case $last in *" ${file##*/} "*) ;; *) seen=$((seen + 1)) ;; esac
  done
  last=$now
  echo "value files.waiting $files"
  echo "value bytes.waiting $bytes"
  echo "value files.seen $seen"
  echo commit
done
