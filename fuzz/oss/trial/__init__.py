"""A trial of the fuzz targets as a service would build and run them, without a cloud and without containers.

place.py      the folder of a trial: sources, what is built, what runs leave behind
process.py    one program of a trial: its output in a file, ended with everything it started
building.py   build.sh with the commands that it finds in the image
ready.py      options, dictionary and seed corpus as a service reads them
engine.py     what libFuzzer says
checks.py     what a service does with a target, one check each
"""
