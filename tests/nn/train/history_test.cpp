#include <telaio/nn/train/history.hpp>

#include <gtest/gtest.h>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

const EpochRecord full{.epoch = 2,
                       .loss = 0.1 + 0.2,
                       .accuracy = 0.5,
                       .val_loss = 1e-20,
                       .val_accuracy = 0.75,
                       .learning_rate = 0.001,
                       .seconds = 1.23456,
                       .images_per_second = 5432.19};

TEST(History, ValuesByName) {
  EXPECT_EQ(value_of(full, "loss"), 0.1 + 0.2);
  EXPECT_EQ(value_of(full, "accuracy"), 0.5);
  EXPECT_EQ(value_of(full, "val_loss"), 1e-20);
  EXPECT_EQ(value_of(full, "val_accuracy"), 0.75);
  EXPECT_EQ(value_of({}, "val_loss"), std::nullopt);
  EXPECT_EQ(message_of([] { value_of({}, "f1"); }),
            "monitor: 'f1' is unknown; expected loss, accuracy, val_loss, val_accuracy");
  EXPECT_TRUE(is_accuracy("val_accuracy") && is_accuracy("accuracy"));
  EXPECT_FALSE(is_accuracy("val_loss") || is_accuracy("loss"));
}

TEST(History, Csv) {
  const std::string header = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n";
  EXPECT_EQ(to_csv({}), header);
  EXPECT_EQ(to_csv({{{.epoch = 1, .loss = 2}, full}}),
            header + "1,2,,,,0,0.000,0.0\n2,0.30000000000000004,0.5,1e-20,0.75,0.001,1.235,5432.2\n");
}

}  // namespace
}  // namespace telaio::nn
