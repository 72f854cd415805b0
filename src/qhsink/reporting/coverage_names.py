"""Chinese names of the modes that the trial of the intervals compares.

What each holds is in ``coverage_words``; a mode not known here is shown in English.
"""

from __future__ import annotations

from collections.abc import Mapping

MODES_ZH: Mapping[str, str] = {
    "model": "模型离散度",
    "model + correlated residuals": "模型离散度加空间相关残差",
    "naive: pixel mean, RMSE/√N": "常见做法：像元均值，RMSE/√N",
    "simple random plots": "简单随机样地",
    "systematic plots, neighbours": "系统样地，邻差方差",
    "systematic plots, as if random": "系统样地，按随机计算方差",
    "stratified plots": "分层样地",
    "difference (map)": "差值估计（遥感图）",
    "regression (map)": "回归估计（遥感图）",
    "regression (map, elevation)": "回归估计（遥感图、高程）",
    "ratio (map)": "比估计（遥感图）",
    "post-stratified by map": "按遥感图事后分层",
    "stratified, combined ratio (map)": "分层，联合比估计（遥感图）",
    "stratified, separate ratio (map)": "分层，分别比估计（遥感图）",
    "two-phase, strata by map": "两相抽样，按遥感图分层",
    "two-phase, regression (map)": "两相抽样，回归估计（遥感图）",
    "clusters of 4 plots": "整群抽样（每群 4 个样地）",
    "unequal probabilities": "不等概率抽样",
    "unequal probabilities, Yates-Grundy": "不等概率抽样，Yates–Grundy 方差",
    "plots of the sub-region alone": "仅用子区域内样地",
    "small area: synthetic": "小区域：合成估计",
    "small area: GREG by domain": "小区域：分域 GREG",
    "small area: EBLUP": "小区域：EBLUP",
    "simple random plots, t": "简单随机样地，t 区间",
    "simple random plots, skewed": "简单随机样地，偏态区间",
    "hybrid (lidar tracks)": "混合推断（激光雷达轨道）",
    "hybrid (lidar tracks), t": "混合推断（激光雷达轨道），t 区间",
    "area from stratified labels": "分层判读样点求面积",
    "share, logit interval": "比例，logit 区间",
    "simple random labels": "简单随机判读样点",
    "simple random labels, skewed": "简单随机判读样点，偏态区间",
    "post-stratified labels": "事后分层判读样点",
    "post-stratified labels, logit": "事后分层判读样点，logit 区间",
    "ratio to mapped labels": "对图上类别的比估计",
    "labels in map strata": "按图分层判读样点",
    "labels in map strata, logit": "按图分层判读样点，logit 区间",
    "labels in map strata, skewed": "按图分层判读样点，偏态区间",
    "labels in map strata, edges apart": "按图分层判读样点，边缘单列一层",
    "labels in map strata, edges apart, logit": "同上（边缘单列），logit 区间",
    "labels in map strata, edges apart, skewed": "同上（边缘单列），偏态区间",
    "plots by type and county": "分县、分草原类型样地",
    "graded plots": "分级样地",
    "graded plots, read without error": "分级样地（读数无误差）",
    "plots measured twice": "复测样地",
    "plots measured twice, taken as two samples": "复测样地，按两套独立样本计算",
    "members aligned": "集成成员对齐",
    "calibrated map": "校准后的遥感图",
}
"""By the English name."""
