"""The scores of a run's captions and answers, with intervals, and beside other runs.

evaluate.py         all of it together
captions.py         the rows that are scored
references.py, reference_files.py    captions that people wrote, and the formats they come in
name_index.py, join_references.py    which rows they are of
metric.py           what a metric is; registry.py has all of them
coco_metrics.py, meteor.py, coco_tokens.py    BLEU, METEOR, ROUGE-L, CIDEr-D, SPICE
clip_scores.py, clip_choice.py, images.py    CLIPScore and RefCLIPScore
chair_metric.py, chair.py, object_words.py   CHAIR
vqa_metric.py, vqa_accuracy.py, vqa_annotations.py    VQA accuracy
diversity.py        distinct-n, vocabulary, length
scenes.py           rendered scenes, by what is in them
bootstrap.py        intervals
result.py, report.py, export.py      what is printed and written
"""
