# A container with copick-picker for machines without a GPU.
#   docker build -t copick-picker .
#   docker run --rm -v "$PWD:/data" -w /data copick-picker segment -c config.json -m model -i wbp@10.0
# For a GPU, build with --build-arg TORCH_FLAGS="" and run with --gpus all.
FROM python:3.12-slim
ARG TORCH_FLAGS="--index-url https://download.pytorch.org/whl/cpu"
RUN pip install --no-cache-dir $TORCH_FLAGS torch==2.13.0
WORKDIR /opt/copick-picker
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY copick_picker ./copick_picker
RUN pip install --no-cache-dir --constraint requirements.lock .
ENTRYPOINT ["copick-picker"]
